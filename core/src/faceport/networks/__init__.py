"""Networks: weights, checkpoints, ONNX, and how far two runs of one are apart."""
