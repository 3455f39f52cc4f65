"""The simulated ais_bench."""
