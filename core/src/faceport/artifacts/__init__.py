"""Compiled networks: recorded calls, keys, the store, bundles."""
