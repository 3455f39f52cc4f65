"""FaceNet: faces as unit vectors whose distance says how alike they are. https://arxiv.org/abs/1503.03832"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.api import Network, SingleNetworkModel
from faceport.ops.cutting import align, cut
from faceport.ops.images import Image, to_batch
from faceport.types import Faces, Sample, Tensors, TensorSpec

if TYPE_CHECKING:
    from torch import nn

NAME = "facenet"
SIZE = 160  # pixels of a crop's side
DIMENSIONS = 512
MEAN, STD = (127.5,) * 3, (128.0,) * 3

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class FaceNetOptions:
    """Options of FaceNet; conf/model/facenet.yaml explains them."""

    weights: str = "random"
    classify: int = 0
    margin: int = 14
    align: bool = False
    flip: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.margin < SIZE:
            raise ValueError(f"option 'margin' is {self.margin}, it must be 0 to {SIZE - 1}")
        if self.classify < 0:
            raise ValueError(f"option 'classify' is {self.classify}, it must be a number of classes, or 0")


def build(classes: int) -> nn.Module:
    """Build the bare network."""
    from faceport_facenet.net import InceptionResnetV1

    return InceptionResnetV1(classes)


def without_classifier(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out the classifier that the published checkpoints carry."""
    return {key: value for key, value in state.items() if not key.startswith("logits.")}


def crop(image: Image, box: Floats, margin: int) -> Image:
    """Cut out a face with so many pixels of the crop, both sides together, around it."""
    around = margin * (box[2:] - box[:2]) / (SIZE - margin) / 2
    return cut(image, np.concatenate((box[:2] - around, box[2:] + around)), SIZE, cv2.INTER_AREA)[0]


def unit(vectors: Floats) -> NDArray[np.float32]:
    """Scale vectors (n, d) to length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)


class FaceNet(SingleNetworkModel):
    """Embed each face, or name its class where the network has a classifier."""

    Options = FaceNetOptions
    options: FaceNetOptions
    provides = frozenset({"embeddings"})
    needs = frozenset({"boxes"})

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.options.classify:
            self.provides = frozenset({"identities"})
        if self.options.align:
            self.needs = frozenset({"points"})

    @cached_property
    def network(self) -> Network:
        """The one network."""
        classes = self.options.classify
        output = (
            TensorSpec("logits", ("batch", classes))
            if classes
            else TensorSpec("embedding", ("batch", DIMENSIONS))
        )
        return Network(
            name=NAME,
            inputs=(TensorSpec("image", ("batch", 3, SIZE, SIZE)),),
            outputs=(output,),
            build=partial(build, classes),
            weights=self.options.weights,
            options={"classes": classes},
            adapt=dict if classes else without_classifier,
            preprocessing={
                "crop": "turned and scaled by five points to the places of ArcFace, times 160/112"
                if self.options.align
                else f"box with {self.options.margin} of {SIZE} pixels around it, cut at the border",
                "resize": f"{'bilinear' if self.options.align else 'area'} to {SIZE}x{SIZE}, aspect not kept",
                "colour": "RGB",
                "layout": "NCHW",
                "mean": MEAN,
                "std": STD,
            },
        )

    def crops(self, sample: Sample) -> list[Image]:
        """Cut out every face: upright with a margin, or turned to where its five points belong."""
        faces = sample.faces if sample.faces is not None else Faces()
        if self.options.align:
            points = () if faces.points is None else faces.points
            return [align(sample.image, five, SIZE) for five in points]
        boxes = () if faces.boxes is None else faces.boxes
        return [crop(sample.image, box, self.options.margin) for box in boxes]

    def preprocess(self, sample: Sample) -> Tensors:
        """Crop and normalise, mirrored crops behind the others where flip averaging is on."""
        crops = self.crops(sample)
        if not crops:
            return {"image": np.empty((0, 3, SIZE, SIZE), np.float32)}
        batch = to_batch(crops, MEAN, STD)
        return {"image": np.concatenate((batch, batch[..., ::-1])) if self.options.flip else batch}

    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        """Put embeddings, or the best class, beside what is known of the faces."""
        faces = sample.faces if sample.faces is not None else Faces()
        (values,) = outputs.values()
        if self.options.flip:
            values = np.add(*np.split(values, 2))
        if self.options.classify:
            return faces.with_fields(identities=values.argmax(axis=1))
        return faces.with_fields(embeddings=unit(values) if self.options.flip else values)

    def empty(self, sample: Sample) -> Faces:
        """Answer for a picture without faces."""
        if self.options.classify:
            return super().empty(sample).with_fields(identities=np.empty(0, np.int64))
        return super().empty(sample).with_fields(embeddings=np.empty((0, DIMENSIONS), np.float32))
