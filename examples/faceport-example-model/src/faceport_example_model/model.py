"""Five points of a face, by the smallest network that can be told where to look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from faceport.api import Network, SingleNetworkModel
from faceport.ops.cutting import cut
from faceport.ops.images import write_planes
from faceport.types import Array, Faces, Sample, Tensors, TensorSpec

if TYPE_CHECKING:
    from torch import nn

SIDE = 32  # of a crop, pixels
MEAN = STD = (127.5, 127.5, 127.5)


@dataclass(frozen=True)
class FivePointsOptions:
    """Options; conf/model/example_points.yaml explains them."""

    weights: str = "random"


def build() -> nn.Module:
    """Build the network: (n, 3, 32, 32) -> (n, 10) x, y as shares of the box."""
    from torch import nn

    convolution = nn.Conv2d(3, 8, 3, stride=4, padding=1)
    return nn.Sequential(convolution, nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))


class FivePoints(SingleNetworkModel):
    """Point at eyes, nose and mouth corners in given boxes."""

    Options = FivePointsOptions
    options: FivePointsOptions
    needs = frozenset({"boxes"})
    provides = frozenset({"points"})

    @cached_property
    def network(self) -> Network:
        """The one network."""
        image = TensorSpec("image", ("batch", 3, SIDE, SIDE))
        shares = TensorSpec("shares", ("batch", 10))
        return Network("example_points", (image,), (shares,), build, weights=self.options.weights)

    def preprocess(self, sample: Sample) -> Tensors:
        """Cut each box out of the picture."""
        _, boxes = told(sample)
        image = np.empty((len(boxes), 3, SIDE, SIDE), np.float32)
        for box, planes in zip(boxes, image, strict=True):
            crop, _ = cut(sample.image, box, SIDE)
            write_planes(crop, planes, MEAN, STD)
        return {"image": image}

    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        """Put the points back into the picture."""
        faces, boxes = told(sample)
        corners, ends = boxes[:, None, :2], boxes[:, None, 2:]
        return faces.with_fields(points=corners + outputs["shares"].reshape(-1, 5, 2) * (ends - corners))


def told(sample: Sample) -> tuple[Faces, Array]:
    """Give the faces to look at, and their boxes."""
    faces = sample.faces
    assert faces is not None and faces.boxes is not None  # the core sees to what a model `needs`
    return faces, faces.boxes
