"""DeepPose: landmarks of faces whose boxes are known, read off one vector per face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceport.api import Network, SingleNetworkModel
from faceport.bounds import Amount
from faceport.ops.cutting import centred, invert, transform, warp
from faceport.ops.images import IMAGENET_MEAN, IMAGENET_STD, to_batch
from faceport.ops.landmarks import FLIPS
from faceport.types import Faces, Sample, Tensors, TensorSpec

if TYPE_CHECKING:
    from torch import nn

NAME = "deeppose"
SIZE = 256  # pixels of a crop's side


@dataclass(frozen=True)
class DeepPoseOptions:
    """Options of DeepPose; conf/model/*.yaml explains them."""

    weights: str = "random"
    landmarks: Literal[98, 68, 29, 19, 106] = 98
    padding: Amount = 1.25
    flip: bool = True

    def __post_init__(self) -> None:
        if self.padding <= 0:
            raise ValueError(f"option 'padding' is {self.padding}, it must be above 0")


def build(landmarks: int) -> nn.Module:
    """Build the bare network."""
    from faceport_deeppose.net import DeepPoseNet

    return DeepPoseNet(landmarks)


def as_mmpose_0(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name the head of mmpose 1.x checkpoints as those of 0.x do."""
    return {
        key.replace("head.fc.", "keypoint_head.fc.") if key.startswith("head.") else key: value
        for key, value in state.items()
    }


def mirror(landmarks: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Read landmarks (n, k, 2), 0..1 of mirrored crops, as those of the crops."""
    return landmarks[:, FLIPS[landmarks.shape[1]]] * (-1, 1) + (1, 0)


class DeepPose(SingleNetworkModel):
    """Regress the landmarks of each face from an upright square around it."""

    Options = DeepPoseOptions
    options: DeepPoseOptions
    provides = frozenset({"landmarks"})
    needs = frozenset({"boxes"})

    @cached_property
    def network(self) -> Network:
        """The one network."""
        count = self.options.landmarks
        return Network(
            name=NAME,
            inputs=(TensorSpec("image", ("batch", 3, SIZE, SIZE)),),
            outputs=(TensorSpec("landmarks", ("batch", count, 2)),),
            build=partial(build, count),
            weights=self.options.weights,
            options={"landmarks": count},
            preprocessing={
                "crop": f"square about the box, its longer side times {self.options.padding:g}; black beyond",
                "resize": f"bilinear to {SIZE}x{SIZE}",
                "colour": "RGB",
                "layout": "NCHW",
                "mean": IMAGENET_MEAN,
                "std": IMAGENET_STD,
            },
            adapt=as_mmpose_0,
        )

    def matrices(self, sample: Sample) -> NDArray[np.float64]:
        """Say where each face's crop lies in the picture: (n, 2, 3), picture to crop."""
        boxes = np.empty((0, 4)) if sample.faces is None or sample.faces.boxes is None else sample.faces.boxes
        sides = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), 1) * self.options.padding
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        found = [centred(centre, side, SIZE) for centre, side in zip(centres.tolist(), sides, strict=True)]
        return np.asarray(found, np.float64).reshape(-1, 2, 3)

    def preprocess(self, sample: Sample) -> Tensors:
        """Cut out every face, mirrored crops behind the others where flip averaging is on."""
        crops = [warp(sample.image, matrix, SIZE) for matrix in self.matrices(sample)]
        if not crops:
            return {"image": np.empty((0, 3, SIZE, SIZE), np.float32)}
        batch = to_batch(crops, IMAGENET_MEAN, IMAGENET_STD)
        return {"image": np.concatenate((batch, batch[..., ::-1])) if self.options.flip else batch}

    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        """Bring the landmarks to the picture."""
        relative = outputs["landmarks"]
        if self.options.flip:
            upright, mirrored = np.split(relative, 2)
            relative = (upright + mirror(mirrored)) / 2
        landmarks = transform(relative * SIZE, invert(self.matrices(sample)))
        faces = sample.faces if sample.faces is not None else Faces()
        return faces.with_fields(landmarks=landmarks.astype(np.float32))

    def empty(self, sample: Sample) -> Faces:
        """Answer for a picture without faces."""
        return (
            super().empty(sample).with_fields(landmarks=np.empty((0, self.options.landmarks, 2), np.float32))
        )
