"""A configuration as objects that fit, and what a run leaves on disk."""
