"""What is cut out of a picture for each of its faces, so that others can train on it or run it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.errors import FaceportError
from faceport.types import Crops, Faces, Sample

SCALE = 1.2  # of a box, where nothing else was published with a dataset


def grown(boxes: NDArray[Any], scale: float, height: int, width: int) -> NDArray[np.float64]:
    """Grow boxes (n, 4) by a scale about their centres, but not beyond the picture's pixels."""
    boxes = boxes.astype(np.float64)
    more = (boxes[:, 2:] - boxes[:, :2]) * (scale - 1) / 2
    low = np.maximum(boxes[:, :2] - more, 0)
    high = np.minimum(boxes[:, 2:] + more, (width - 1, height - 1))
    empty = ~(low < high).all(axis=1)
    if empty.any():
        raise FaceportError(f"the box {boxes[empty][0].tolist()} shows nothing of a {width}x{height} picture")
    return np.concatenate([low, high], axis=1)


def inside(landmarks: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """Move landmarks (n, k, 2) that lie beyond the picture onto its borders."""
    return np.clip(landmarks.astype(np.float64), 0, (width, height))


def crops_of(sample: Sample, scale: float = SCALE) -> Crops:
    """Cut out the box of each face, or what its landmarks span, grown by a scale."""
    truth = sample.truth or Faces()
    landmarks = None if truth.landmarks is None else truth.landmarks.astype(np.float64)
    boxes = truth.boxes
    if boxes is None and landmarks is not None and len(truth):
        boxes = np.concatenate([np.nanmin(landmarks, axis=1), np.nanmax(landmarks, axis=1)], axis=1)
    if boxes is None:
        return Crops([], np.empty((0, 4)), None)
    names = [f"{stem(sample.id)}_{i:02d}.jpg" for i in range(len(truth))]
    return Crops(names, grown(boxes, scale, *sample.image.shape[:2]), landmarks)


def stem(sample: str) -> str:
    """Give a sample's name without its suffix; folders stay, and so does the number of a video's frame."""
    path = PurePosixPath(sample)
    return str(path.with_suffix("")) if path.suffix[1:].isalpha() else sample
