"""Shrink pictures by averaging, exactly as `torch.nn.functional.interpolate(mode="area")` does.

That is not OpenCV's INTER_AREA: a target pixel is the plain mean of every source pixel that it touches,
however little. A table of running sums gives any such mean by four look-ups, so that a whole image pyramid,
or hundreds of crops, cost one pass over the picture.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.ops import native
from faceport.types import Image

Floats = NDArray[np.float32]
Ints = NDArray[np.integer]

INT32_PIXELS = (2**31 - 1) // 255  # a larger picture's sum does not fit into 32 bits


class AreaTable:
    """Running sums of one picture; what is made of it is RGB in (value - 127.5) / 128, channels first."""

    def __init__(self, image: Image) -> None:
        self.height, self.width = image.shape[:2]
        small = self.height * self.width <= INT32_PIXELS
        self.sums = np.empty((3, self.height + 1, self.width + 1), np.int32 if small else np.float64)
        for channel, sums in zip(cv2.split(image), self.sums, strict=True):
            cv2.integral(channel, sum=sums, sdepth=cv2.CV_32S if small else cv2.CV_64F)

    def resize(self, height: int, width: int) -> Floats:
        """Resize the whole picture: (1, 3, height, width)."""
        if native.kernels and self.sums.dtype == np.int32:
            whole = np.array([[0, 0, self.width, self.height]])
            resized: Floats = native.kernels.means(self.sums, whole, height, width)
            return resized
        top, bottom = _edges(np.zeros(1, np.intp), np.full(1, self.height), height)
        left, right = _edges(np.zeros(1, np.intp), np.full(1, self.width), width)
        rows = np.take(self.sums, bottom[0], axis=1)
        rows -= np.take(self.sums, top[0], axis=1)
        sums = np.take(rows, right[0], axis=2)
        sums -= np.take(rows, left[0], axis=2)
        return _standardised(sums, (bottom - top)[0][:, None] * (right - left)[0])[None]

    def crops(self, regions: Ints, size: int) -> Floats:
        """Cut out regions (n, 4), x1, y1, x2, y2 inside the picture, and resize: (n, 3, size, size)."""
        if native.kernels and self.sums.dtype == np.int32:
            cut: Floats = native.kernels.means(self.sums, regions, size, size)
            return cut
        top, bottom = _edges(regions[:, 1], regions[:, 3], size)
        left, right = _edges(regions[:, 0], regions[:, 2], size)
        flat, stride = self.sums.reshape(3, -1), self.width + 1
        top_row, bottom_row = top[:, :, None] * stride, bottom[:, :, None] * stride
        sums = np.take(flat, bottom_row + right[:, None], axis=1)
        sums -= np.take(flat, bottom_row + left[:, None], axis=1)
        sums -= np.take(flat, top_row + right[:, None], axis=1)
        sums += np.take(flat, top_row + left[:, None], axis=1)
        area = (bottom - top)[:, :, None] * (right - left)[:, None]
        return np.ascontiguousarray(_standardised(sums, area).swapaxes(0, 1))


def _edges(start: Ints, end: Ints, size: int) -> tuple[Ints, Ints]:
    """Return where each of `size` target pixels begins and ends: (n,), (n,) -> (n, size), (n, size)."""
    steps = np.arange(size)
    extent = (end - start)[:, None]
    return start[:, None] + steps * extent // size, start[:, None] - (-(steps + 1) * extent) // size


def _standardised(sums: NDArray[np.generic], area: Ints) -> Floats:
    out = np.empty(sums.shape, np.float32)
    np.divide(sums, area.astype(np.float32) * np.float32(128), out=out, casting="unsafe", dtype=np.float32)
    out -= np.float32(127.5 / 128)
    return out
