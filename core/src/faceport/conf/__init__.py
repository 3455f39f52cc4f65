"""Primary configurations of the verbs."""
