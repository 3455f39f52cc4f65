"""The loop, by torch: everything that happens between a batch and the weights after it."""
