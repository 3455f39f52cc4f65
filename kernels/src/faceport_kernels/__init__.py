"""Compiled loops, the same bits as their NumPy twins in faceport.ops and faceport-facenet; and nothing else.

An ImportError means that there was no compiler when this was installed.
"""

import numpy as np
from numpy.typing import NDArray

from faceport_kernels._kernels import average, suppress


def means(
    sums: NDArray[np.int32], regions: NDArray[np.integer], height: int, width: int
) -> NDArray[np.float32]:
    """Resize regions, (n, 4) x1, y1, x2, y2, given running sums, (3, rows, columns): (n, 3, height, width).

    Each target pixel is the mean of the pixels that it touches, brought from 0..255 to about -1..1 as
    (value - 127.5) / 128.
    """
    assert sums.dtype == np.int32
    out = np.empty((len(regions), 3, height, width), np.float32)
    places = np.ascontiguousarray(regions, np.int64)
    _, rows, columns = sums.shape
    average(np.ascontiguousarray(sums), rows, columns, places, height, width, out)
    return out


def kept(boxes: NDArray[np.float32], threshold: float, inclusive: bool, smaller: bool) -> NDArray[np.bool_]:
    """Mark the boxes, (5, n) x1, y1, x2, y2, area and best first, that no kept one before them suppresses."""
    assert boxes.dtype == np.float32
    marks = np.empty(boxes.shape[1], np.bool_)
    suppress(np.ascontiguousarray(boxes), threshold, inclusive, smaller, marks)
    return marks
