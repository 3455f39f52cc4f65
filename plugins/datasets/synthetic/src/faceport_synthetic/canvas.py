"""Anti-aliased shapes with sub-pixel corners, soft edges and transparency, on an RGB array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.types import Image
from faceport_synthetic.geometry import Points

Colour = Sequence[float]  # RGB, 0..255
Box = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels of a canvas

_SHIFT = 4  # OpenCV draws at 1/16 of a pixel


class Canvas:
    """Draw, in pixels of the whole picture, on an array that shows a part of it, maybe enlarged."""

    def __init__(self, image: Image, corner: tuple[int, int] = (0, 0), zoom: int = 1) -> None:
        self.image = image
        self.corner = corner  # of the array in the enlarged picture
        self.zoom = zoom

    def place(self, points: Points) -> Points:
        """Take points from pixels of the whole picture to pixels of the array."""
        placed: Points = (points + 0.5) * self.zoom - 0.5 - self.corner
        return placed

    def fill(self, points: Points, colour: Colour, alpha: float = 1.0, soft: float = 0.0) -> None:
        """Fill a polygon; soft is the standard deviation of its edge in pixels."""
        corners = self.place(points)
        soft *= self.zoom
        if alpha >= 1 and soft <= 0:
            cv2.fillPoly(self.image, [_fixed(corners)], colour, cv2.LINE_AA, _SHIFT)
        elif box := self._box(corners, 2 + 3 * soft):
            mask = _mask(corners, box)
            _tint(self._part(box), colour, blurred(mask, soft) if soft > 0.3 else mask, alpha)

    def line(self, points: Points, colour: Colour, width: float, alpha: float = 1.0) -> None:
        """Draw an open line of a width in pixels; one thinner than a pixel is fainter, never thicker."""
        self.lines(points[None], colour, width, alpha)

    def lines(self, lines: Points, colour: Colour, width: float, alpha: float = 1.0) -> None:
        """Draw several lines of equally many points, (lines, points, 2), at once."""
        placed = self.place(lines)
        width *= self.zoom
        thickness, alpha = max(1, round(width)), alpha * min(1.0, width)
        if alpha > 0.95:
            cv2.polylines(self.image, list(_fixed(placed)), False, colour, thickness, cv2.LINE_AA, _SHIFT)
        elif box := self._box(placed, 2 + thickness):
            mask = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
            cv2.polylines(mask, list(_fixed(placed - box[:2])), False, 255, thickness, cv2.LINE_AA, _SHIFT)
            _tint(self._part(box), colour, mask, alpha)

    @contextmanager
    def inside(self, points: Points) -> Iterator[Canvas]:
        """Open a canvas that shows only inside a polygon."""
        corners = self.place(points)
        box = self._box(corners, 2)
        if box is None:  # outside the picture: draw on nothing
            yield Canvas(np.zeros((1, 1, 3), np.uint8), self.corner, self.zoom)
            return
        part = self._part(box)
        inner = Canvas(part.copy(), (self.corner[0] + box[0], self.corner[1] + box[1]), self.zoom)
        yield inner
        mask = cv2.cvtColor(_mask(corners, box), cv2.COLOR_GRAY2RGB)
        _reveal(part, cv2.multiply(inner.image, mask, scale=1 / 255), mask)

    @contextmanager
    def enlarged(self, box: Box, zoom: int) -> Iterator[Canvas]:
        """Open a canvas on a part of the picture at a whole multiple of its resolution."""
        height, width = self.image.shape[:2]
        x1, y1, x2, y2 = max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3])
        part = self.image[y1:y2, x1:x2]
        if zoom == 1 or not part.size:
            yield Canvas(part, (x1, y1))
            return
        # Doubled pixels average to themselves: where nothing is drawn, nothing changes.
        size = ((x2 - x1) * zoom, (y2 - y1) * zoom)
        large = Canvas(cv2.resize(part, size, interpolation=cv2.INTER_NEAREST), (x1 * zoom, y1 * zoom), zoom)
        yield large
        part[:] = cv2.resize(large.image, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)

    def _part(self, box: Box) -> Image:
        return self.image[box[1] : box[3], box[0] : box[2]]

    def _box(self, corners: Points, margin: float) -> Box | None:
        height, width = self.image.shape[:2]
        corners = corners.reshape(-1, 2)
        low, high = np.floor(corners.min(axis=0) - margin), np.ceil(corners.max(axis=0) + margin)
        x1, y1 = max(0, int(low[0])), max(0, int(low[1]))
        x2, y2 = min(width, int(high[0]) + 1), min(height, int(high[1]) + 1)
        return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def blurred(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Blur almost like a Gaussian, in a time that does not depend on how much."""
    # Two means over squares. OpenCV's stackBlur would do, were its result not different in every thread.
    side = max(3, 2 * round(((6 * sigma**2 + 1) ** 0.5 - 1) / 2) + 1)
    result: NDArray[np.uint8] = cv2.blur(cv2.blur(image, (side, side)), (side, side))
    return result


def _fixed(points: Points) -> NDArray[np.int32]:
    """Turn pixels into the fixed-point numbers that OpenCV draws with."""
    numbers: NDArray[np.int32] = np.rint(points * 2**_SHIFT).astype(np.int32)
    return numbers


def _mask(corners: Points, box: Box) -> NDArray[np.uint8]:
    mask = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
    cv2.fillPoly(mask, [_fixed(corners - box[:2])], 255, cv2.LINE_AA, _SHIFT)
    return mask


def _tint(target: Image, colour: Colour, mask: NDArray[np.uint8], alpha: float) -> None:
    """Mix a colour into a part of a picture, as much as the mask (0..255) and alpha say."""
    paint = cv2.merge([cv2.convertScaleAbs(mask, alpha=alpha * channel / 255) for channel in colour])
    weight = mask if alpha >= 1 else cv2.convertScaleAbs(mask, alpha=alpha)
    _reveal(target, paint, cv2.cvtColor(weight, cv2.COLOR_GRAY2RGB))


def _reveal(target: Image, paint: Image, weight: Image) -> None:
    """Lay weighted paint over a part of a picture, in whole numbers: much faster than in floats."""
    cv2.multiply(target, cv2.bitwise_not(weight), dst=target, scale=1 / 255)
    cv2.add(target, paint, dst=target)
