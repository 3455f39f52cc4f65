"""Torch networks shared by model plugins: nothing outside this folder and `net.py` files needs torch."""
