"""Edits of ONNX graphs that targets ask for: each is done once, and done again changes nothing."""
