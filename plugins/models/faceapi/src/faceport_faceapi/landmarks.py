"""68 landmarks of each face in a given box, by the network of face-api.js."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceport.api import Network, SingleNetworkModel
from faceport.ops.cutting import Placement, letterbox
from faceport.ops.images import to_batch
from faceport.types import Array, Faces, Image, Sample, Tensors, TensorSpec
from faceport_faceapi.source import MEAN, network

if TYPE_CHECKING:
    from torch import nn

SIDE = 112  # pixels of a crop
POINTS = 68
STD = (255.0, 255.0, 255.0)


@dataclass(frozen=True)
class FaceApiLandmarksOptions:
    """Options; conf/model/faceapi_landmarks.yaml explains them."""

    weights: str = "random"


def build() -> nn.Module:
    """Build the bare network."""
    from faceport_faceapi.net_landmarks import LandmarkNet

    return LandmarkNet()


def landmark_network(weights: str) -> Network:
    """Describe the network."""
    return network(
        "landmarks",
        weights,
        SIDE,
        TensorSpec("landmarks", ("batch", 2 * POINTS)),
        build,
        crop="box, truncated to whole pixels, cut at the borders of the picture",
        resize=f"longer side to {SIDE}, area or bilinear; black on both sides of the other",
        std=STD,
    )


class FaceApiLandmarks(SingleNetworkModel):
    """Place 68 landmarks on each face."""

    Options = FaceApiLandmarksOptions
    options: FaceApiLandmarksOptions
    needs = frozenset({"boxes"})
    provides = frozenset({"landmarks"})

    @cached_property
    def network(self) -> Network:
        """The one network."""
        return landmark_network(self.options.weights)

    def preprocess(self, sample: Sample) -> Tensors:
        """Cut out every face."""
        return {"image": look(sample)[0]}

    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        """Bring the landmarks from the crops to the picture."""
        assert sample.faces is not None
        return sample.faces.with_fields(landmarks=places(outputs["landmarks"], look(sample)[1]))

    def empty(self, sample: Sample) -> Faces:
        """Answer for a picture without faces."""
        return super().empty(sample).with_fields(landmarks=np.empty((0, POINTS, 2), np.float32))


def look(sample: Sample) -> tuple[Array, list[Placement]]:
    """Cut out the boxes of a picture's faces: (n, 3, 112, 112), and where each lies."""
    boxes = None if sample.faces is None else sample.faces.boxes
    found = [crop(sample.image, box) for box in (() if boxes is None else boxes)]
    if not found:
        return np.empty((0, 3, SIDE, SIDE), np.float32), []
    images, placements = zip(*found, strict=True)
    return to_batch(images, MEAN, STD), list(placements)


def crop(image: Image, box: Array) -> tuple[Image, Placement]:
    """Fit a box into a square, black on both sides where it is narrower."""
    height, width = image.shape[:2]
    x1, y1 = np.clip(box[:2], 0, (width - 1, height - 1)).astype(int).tolist()
    x2, y2 = np.clip(box[2:], (x1 + 1, y1 + 1), (width, height)).astype(int).tolist()
    shrinks = max(x2 - x1, y2 - y1) > SIDE
    fitted, placement = letterbox(
        image[y1:y2, x1:x2],
        SIDE,
        SIDE,
        centre=True,
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    (scale_x, scale_y), (left, top) = placement.scale, placement.offset
    return fitted, Placement(placement.scale, (left - x1 * scale_x, top - y1 * scale_y))


def places(shares: Array, placements: Sequence[Placement]) -> Array:
    """Bring landmarks from shares of crops, (n, 136), to the picture: (n, 68, 2)."""
    points = shares.reshape(-1, POINTS, 2) * np.float32(SIDE)
    restored = [placement.restore(one) for placement, one in zip(placements, points, strict=True)]
    return np.stack(restored).astype(np.float32)
