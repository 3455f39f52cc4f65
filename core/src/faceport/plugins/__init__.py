"""What is installed, found as data and loaded as code."""
