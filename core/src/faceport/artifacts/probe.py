"""Pictures to try a model on when nobody gave any: smooth noise, with faces told where a model needs them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from faceport.api import Model
from faceport.types import Faces, Sample

SIZES = ((240, 320), (281, 217), (360, 480))  # height, width of the pictures; odd ones find what assumes even
BOX = (0.3, 0.25, 0.7, 0.8)  # of the face, as shares of the picture
POINTS = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))  # as shares of the box


def probes(model: Model) -> Iterator[Sample]:
    """Draw a few pictures, always the same, with what the model must be told."""
    for index, (height, width) in enumerate(SIZES):
        rng = np.random.default_rng(index)
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        grain = rng.integers(-12, 13, smooth.shape)
        image = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        yield Sample(
            f"probe-{index}", image, faces=_one_face(height, width).only(model.needs) if model.needs else None
        )


def _one_face(height: int, width: int) -> Faces:
    scale = np.array([width, height, width, height], np.float32)
    box = np.array(BOX, np.float32) * scale
    points = box[:2] + np.array(POINTS, np.float32) * (box[2:] - box[:2])
    return Faces(boxes=box[None], scores=np.ones(1, np.float32), points=points[None])
