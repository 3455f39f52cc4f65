"""From the raw outputs of RetinaFace to boxes and points, for the anchors that are worth it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]
Anchors = Sequence[Sequence[float]]  # sides in pixels, one row per stride

STRIDES = (8, 16, 32)
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2  # the units in which the network was taught offsets


def count_priors(height: int, width: int, anchors: Anchors) -> int:
    """Count the anchors that an image of this size has."""
    return sum(rows * columns * len(anchors[0]) for rows, columns in _grids(height, width))


def priors(height: int, width: int, anchors: Anchors, index: Indices) -> Floats:
    """Return the anchors at the given positions as centre and size relative to the image: (n, 4).

    Positions run over strides, rows, columns and sides. Few of the many anchors of a picture are worth
    looking at, so they are computed from their positions instead of being kept for every size.
    """
    grids, per_cell = np.array(_grids(height, width)), len(anchors[0])
    ends = np.cumsum(grids.prod(axis=1) * per_cell)
    level = np.searchsorted(ends, index, side="right")
    cell, which = np.divmod(index - (ends - grids.prod(axis=1) * per_cell)[level], per_cell)
    row, column = np.divmod(cell, grids[level, 1])
    stride, side = np.array(STRIDES)[level], np.array(anchors)[level, which]
    found = np.empty((len(index), 4), np.float32)
    found[:, 0] = (column + 0.5) * stride / width
    found[:, 1] = (row + 0.5) * stride / height
    found[:, 2] = side / width
    found[:, 3] = side / height
    return found


def _grids(height: int, width: int) -> list[tuple[int, int]]:
    return [(-(-height // stride), -(-width // stride)) for stride in STRIDES]


def decode_boxes(offsets: Floats, priors: Floats, height: int, width: int) -> Floats:
    """Turn offsets into x1, y1, x2, y2 in pixels: (n, 4), (n, 4) -> (n, 4)."""
    centre = priors[:, :2] + offsets[:, :2] * np.float32(CENTRE_VARIANCE) * priors[:, 2:]
    with np.errstate(over="ignore", invalid="ignore"):  # an untrained network asks for infinite boxes
        size = priors[:, 2:] * np.exp(offsets[:, 2:] * np.float32(SIZE_VARIANCE))
        low = centre - size / 2
        boxes = np.concatenate((low, low + size), axis=1)
    return boxes * np.array((width, height, width, height), np.float32)


def decode_points(offsets: Floats, priors: Floats, height: int, width: int) -> Floats:
    """Turn offsets into five x, y in pixels: (n, 10), (n, 4) -> (n, 5, 2)."""
    scaled = offsets.reshape(-1, 5, 2) * np.float32(CENTRE_VARIANCE) * priors[:, None, 2:]
    return (priors[:, None, :2] + scaled) * np.array((width, height), np.float32)
