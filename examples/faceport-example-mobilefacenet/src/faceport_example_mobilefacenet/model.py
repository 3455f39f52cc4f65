"""Embeddings of aligned faces by MobileFaceNet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceport.api import Network, SingleNetworkModel
from faceport.ops.images import to_batch
from faceport.types import Faces, Sample, Tensors, TensorSpec

if TYPE_CHECKING:
    from torch import nn

SIDE, LEFT, RIGHT = 112, 8, 104  # pixels of an aligned face, of which the network sees the columns LEFT:RIGHT
MEAN, STD = (127.5, 127.5, 127.5), (128.0, 128.0, 128.0)
LENGTH = 128  # of an embedding


@dataclass(frozen=True)
class MobileFaceNetOptions:
    """Options; conf/model/example_mobilefacenet.yaml explains them."""

    weights: str = "random"
    mirror: bool = True


def build() -> nn.Module:
    """Build the bare network."""
    from faceport_example_mobilefacenet.net import Net

    return Net()


class MobileFaceNet(SingleNetworkModel):
    """Compute the embedding of pictures that show one aligned face each."""

    Options = MobileFaceNetOptions
    options: MobileFaceNetOptions
    provides = frozenset({"embeddings"})

    @cached_property
    def network(self) -> Network:
        """The one network."""
        image = TensorSpec("image", ("batch", 3, SIDE, RIGHT - LEFT))
        embedding = TensorSpec("embedding", ("batch", LENGTH))
        return Network("mobilefacenet", (image,), (embedding,), build, weights=self.options.weights)

    def preprocess(self, sample: Sample) -> Tensors:
        """Take the middle of the picture, and its mirror image."""
        face = sample.image
        if face.shape[:2] != (SIDE, SIDE):
            face = cv2.resize(face, (SIDE, SIDE))
        face = np.ascontiguousarray(face[:, LEFT:RIGHT])
        faces = [face, face[:, ::-1]] if self.options.mirror else [face]
        return {"image": to_batch(faces, MEAN, STD)}

    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        """Put what was computed of the picture into one row."""
        return Faces(embeddings=outputs["embedding"].reshape(1, -1))
