"""What target plugins share."""
