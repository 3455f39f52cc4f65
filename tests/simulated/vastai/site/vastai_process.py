"""What the simulated vamc and vamp do with pixels, and how they are told to fail.

Where the facts are silent the strictest reading is taken: a key that the zoo does not have is an error,
and so is a picture of another size than the network's, which the real card would resize.
"""

import os
import time

import numpy as np


def fault():
    return os.environ.get("VASTAI_SIMULATED_FAULT", "")


def hang():
    if fault() == "hang":
        time.sleep(600)


def keys(content, wanted, where):
    if not isinstance(content, dict) or set(content) != set(wanted):
        raise KeyError(f"{where} must have {sorted(wanted)}, not {sorted(content)}")


def normalised(rgb, mean, std, div255, bgr):
    pixels = rgb.astype(np.float32)[::-1] if bgr else rgb.astype(np.float32)
    pixels = pixels / 255 if div255 else pixels
    mean, std = (np.float32(one).reshape(3, 1, 1) for one in (mean, std))
    return ((pixels - mean) / std).astype(np.float16).astype(np.float32)
