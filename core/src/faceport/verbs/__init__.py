"""What the commands do, one file each; none of them knows Hydra."""
