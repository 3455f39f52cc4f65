"""What can be told of plugins before any of them runs: what is wrong with each, what its options mean."""
