"""98 landmarks by PFLD (https://arxiv.org/abs/1902.10859), a network that exists as ONNX only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from faceport.api import Network, SingleNetworkModel
from faceport.ops.images import write_planes
from faceport.types import Array, Faces, Image, Sample, Tensors, TensorSpec

SIDE = 112  # of a crop, pixels
POINTS = 98
GROWTH = 1.2  # of the longer side of a box
MEAN, STD = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)


@dataclass(frozen=True)
class PfldOptions:
    """Options; conf/model/example_pfld.yaml explains them."""

    weights: str


class Pfld(SingleNetworkModel):
    """Place 98 landmarks on each face, in a square around what its landmarks span."""

    Options = PfldOptions
    options: PfldOptions
    needs = frozenset({"boxes"})
    provides = frozenset({"landmarks"})

    @cached_property
    def network(self) -> Network:
        """The one network; its file holds the weights, and takes one face at a time."""
        image = TensorSpec("input", ("batch", 3, SIDE, SIDE))
        shares = TensorSpec("output", ("batch", 2 * POINTS))
        return Network("pfld", (image,), (shares,), onnx=Path(self.options.weights).expanduser(), batch=1)

    def preprocess(self, sample: Sample) -> Tensors:
        """Cut the square of each box out of the picture, black beyond its borders."""
        image = np.empty((len(squares(sample)), 3, SIDE, SIDE), np.float32)
        for square, planes in zip(squares(sample), image, strict=True):
            write_planes(crop(sample.image, *square), planes, MEAN, STD, bgr=True)
        return {"input": image}

    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        """Bring the landmarks from shares of the squares to the picture."""
        corners, sides = squares(sample)[:, None, :2], squares(sample)[:, None, 2:]
        assert sample.faces is not None
        return sample.faces.with_fields(
            landmarks=(corners + outputs["output"].reshape(-1, POINTS, 2) * sides).astype(np.float32)
        )


def squares(sample: Sample) -> Array:
    """Give the published square of each box: (n, 3) left, top, side in whole pixels."""
    assert (
        sample.faces is not None and sample.faces.boxes is not None
    )  # the core sees to what a model `needs`
    low, high = np.split(sample.faces.boxes.astype(int), 2, axis=1)
    size = high - low + 1
    side = (size.max(axis=1, keepdims=True) * GROWTH).astype(int)
    return np.concatenate([(low + size / 2).astype(int) - side // 2, side], axis=1)


def crop(image: Image, left: int, top: int, side: int) -> Image:
    """Resize a square of a picture, of which a part may lie outside."""
    shift = np.array([[1, 0, -left], [0, 1, -top]], np.float32)
    square = cv2.warpAffine(image, shift, (side, side), flags=cv2.INTER_NEAREST)
    resized: Image = cv2.resize(square, (SIDE, SIDE))
    return resized
