"""Embeddings by dlib's face recogniser, in the weights of face-api.js, of faces that its landmarks align."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from faceport.api import Model, Network, Steps
from faceport.ops.images import to_batch
from faceport.types import Array, Call, Faces, Image, Sample, TensorSpec
from faceport_faceapi.chips import SIDE, chip_by_landmarks, chip_by_points
from faceport_faceapi.landmarks import POINTS, landmark_network, look, places
from faceport_faceapi.source import MEAN, network

if TYPE_CHECKING:
    from torch import nn

LENGTH = 128  # of an embedding
STD = (256.0, 256.0, 256.0)


@dataclass(frozen=True)
class FaceApiRecognitionOptions:
    """Options; conf/model/faceapi_recognition.yaml explains them."""

    weights: str = "random"
    align: Literal["landmarks", "points"] = "landmarks"


def build() -> nn.Module:
    """Build the bare recogniser."""
    from faceport_faceapi.net_recognition import RecognitionNet

    return RecognitionNet()


class FaceApiRecognition(Model):
    """Find the landmarks of each face, turn it upright by them, embed it."""

    Options = FaceApiRecognitionOptions
    options: FaceApiRecognitionOptions
    needs = frozenset({"boxes"})
    provides = frozenset({"landmarks", "embeddings"})

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        if self.options.align == "points":
            self.needs, self.provides = frozenset({"points"}), frozenset({"embeddings"})

    @cached_property
    def networks(self) -> Mapping[str, Network]:
        """The landmarks, unless the detector's five points align the faces, and the recogniser."""
        recogniser = network(
            "recognition",
            self.options.weights,
            SIDE,
            TensorSpec("embedding", ("batch", LENGTH)),
            build,
            crop=f"turned and scaled by {self.options.align} to dlib's mean face",
            resize=f"bilinear to {SIDE}x{SIDE}",
            std=STD,
        )
        landmarks = [landmark_network(self.options.weights)] if self.options.align == "landmarks" else []
        return {one.name: one for one in (*landmarks, recogniser)}

    def predict(self, sample: Sample) -> Steps:
        """Ask for the landmarks of all faces at once, then for all embeddings at once."""
        faces = sample.faces if sample.faces is not None else Faces()
        if self.options.align == "points":
            points = () if faces.points is None else faces.points
            chips = [chip_by_points(sample.image, five) for five in points]
        else:
            images, placements = look(sample)
            landmarks: Array = np.empty((0, POINTS, 2), np.float32)
            if len(images):
                found = yield Call("faceapi_landmarks", {"image": images})
                landmarks = places(found["landmarks"], placements)
            faces = faces.with_fields(landmarks=landmarks)
            chips = [chip_by_landmarks(sample.image, one) for one in landmarks]
        return faces.with_fields(embeddings=(yield from self._embed(chips)))

    def _embed(self, chips: list[Image]) -> Any:
        if not chips:
            return np.empty((0, LENGTH), np.float32)
        found = yield Call("faceapi_recognition", {"image": to_batch(chips, MEAN, STD)})
        return found["embedding"]
