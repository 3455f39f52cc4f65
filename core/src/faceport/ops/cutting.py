"""Pictures fitted onto canvases, crops cut and warped out of them, and the way back for what is found there.

A `Placement` (scale and offset) describes canvases and upright crops, a (2, 3) matrix those that turn. Both
map picture to crop; `restore` and `invert` lead back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (height, width, 3), RGB
Floats = NDArray[np.floating[Any]]

# Eyes, nose, mouth corners (viewer's left first) of a face aligned to 112 x 112,
# https://arxiv.org/abs/1801.07698
ARCFACE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)


@dataclass(frozen=True)
class Placement:
    """Say where a picture lies on a canvas: canvas = picture * scale + offset."""

    scale: tuple[float, float] = (1.0, 1.0)  # x, y
    offset: tuple[float, float] = (0.0, 0.0)  # x, y in pixels of the canvas

    def restore(self, points: Floats) -> Floats:
        """Map points of the canvas, or boxes as pairs of points, to the picture: (..., 2) or (..., 4)."""
        repeat = points.shape[-1] // 2
        offset = np.asarray(self.offset * repeat, points.dtype)
        return (points - offset) / np.asarray(self.scale * repeat, points.dtype)


def fit(height: int, width: int, to_height: int, to_width: int) -> tuple[int, int]:
    """Return the largest (height, width) of the same aspect, but for rounding, that fits into another."""
    scale = min(to_height / height, to_width / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def pad(image: Image, height: int, width: int, value: Sequence[int] = (0, 0, 0)) -> Image:
    """Extend a picture to the right and below, up to a size that is at least its own."""
    below, right = height - image.shape[0], width - image.shape[1]
    if not below and not right:
        return image
    padded: Image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=tuple(value))
    return padded


def letterbox(
    image: Image,
    height: int,
    width: int,
    value: Sequence[int] = (0, 0, 0),
    centre: bool = False,
    interpolation: int = cv2.INTER_LINEAR,
) -> tuple[Image, Placement]:
    """Fit a picture into a canvas, keeping its aspect: top left, or in the middle with `centre`."""
    old_height, old_width = image.shape[:2]
    new_height, new_width = fit(old_height, old_width, height, width)
    if (new_height, new_width) != (old_height, old_width):
        image = cv2.resize(image, (new_width, new_height), interpolation=interpolation)
    top, left = ((height - new_height) // 2, (width - new_width) // 2) if centre else (0, 0)
    if (new_height, new_width) != (height, width):
        below, right = height - new_height - top, width - new_width - left
        image = cv2.copyMakeBorder(image, top, below, left, right, cv2.BORDER_CONSTANT, value=tuple(value))
    scale = (new_width / old_width, new_height / old_height)
    return image, Placement(scale, (float(left), float(top)))


def cut(
    image: Image, box: Floats, size: int, interpolation: int = cv2.INTER_LINEAR
) -> tuple[Image, Placement]:
    """Resize what a box shows of a picture to size x size; the box is truncated to whole pixels inside it."""
    height, width = image.shape[:2]
    x1, y1 = np.clip(box[:2], 0, (width - 1, height - 1)).astype(int).tolist()
    x2, y2 = np.clip(box[2:], (x1 + 1, y1 + 1), (width, height)).astype(int).tolist()
    crop = cv2.resize(image[y1:y2, x1:x2], (size, size), interpolation=interpolation)
    scale = (size / (x2 - x1), size / (y2 - y1))
    return crop, Placement(scale, (-x1 * scale[0], -y1 * scale[1]))


def centred(centre: Sequence[float], side: float, size: int) -> Floats:
    """Return the matrix that brings an upright square of a picture to size x size."""
    scale = size / side
    return np.array([[scale, 0, size / 2 - centre[0] * scale], [0, scale, size / 2 - centre[1] * scale]])


def similarity(source: Floats, target: Floats) -> Floats:
    """Return the turn, scale and shift that brings points closest to others (least squares).

    (..., k, 2), (..., k, 2) -> (..., 2, 3)
    """
    # In the complex plane it is q = a * p + b: one division, and no mirror image to rule out.
    p, q = (points[..., 0] + 1j * points[..., 1] for points in (source, target))
    p0, q0 = p.mean(-1, keepdims=True), q.mean(-1, keepdims=True)
    a = ((p - p0).conj() * (q - q0)).sum(-1) / (np.abs(p - p0) ** 2).sum(-1)
    b = q0[..., 0] - a * p0[..., 0]
    rows = ((a.real, -a.imag, b.real), (a.imag, a.real, b.imag))
    return np.stack([np.stack(row, -1) for row in rows], -2)


def warp(image: Image, matrix: Floats, size: int, interpolation: int = cv2.INTER_LINEAR) -> Image:
    """Make the crop, size x size, that a (2, 3) matrix maps the picture to; black beyond its borders."""
    crop: Image = cv2.warpAffine(image, matrix, (size, size), flags=interpolation)
    return crop


def transform(points: Floats, matrix: Floats) -> Floats:
    """Apply matrices to points: (..., k, 2), (..., 2, 3) -> (..., k, 2)."""
    turned = points @ np.swapaxes(matrix[..., :2], -1, -2)
    return (turned + matrix[..., None, :, 2]).astype(points.dtype)


def invert(matrix: Floats) -> Floats:
    """Return the way back of (..., 2, 3) matrices."""
    turn = np.linalg.inv(matrix[..., :2])
    return np.concatenate((turn, -turn @ matrix[..., 2:]), axis=-1)


def align(image: Image, points: Floats, size: int = 112) -> Image:
    """Turn, scale and shift a face so that its five points, (5, 2), lie where recognisers expect them."""
    return warp(image, similarity(points, ARCFACE_POINTS * (size / 112)), size)
