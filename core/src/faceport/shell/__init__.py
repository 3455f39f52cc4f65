"""The command line, completion, sweeps; the only room that knows Hydra."""
