"""Numpy and OpenCV shared by models: pictures to tensors, boxes, crops."""
