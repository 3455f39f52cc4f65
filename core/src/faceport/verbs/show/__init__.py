"""Records and findings on a terminal."""
