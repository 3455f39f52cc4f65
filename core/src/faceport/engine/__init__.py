"""Generators driven over sessions: steps, batches, overlap, timing."""
