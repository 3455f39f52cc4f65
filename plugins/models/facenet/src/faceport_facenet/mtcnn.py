"""MTCNN: faces with five points, by three networks of which each looks closer at fewer candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from faceport.api import Model, Network, Steps
from faceport.bounds import Share
from faceport.types import Call, Faces, Sample, TensorSpec
from faceport_facenet.area import AreaTable
from faceport_facenet.stages import (
    WINDOW,
    Selection,
    decide,
    merge,
    propose,
    pyramid,
    refine,
    regions,
    select,
)

if TYPE_CHECKING:
    from torch import nn

OFFICIAL = "pypi://facenet-pytorch==2.5.3/facenet_pytorch/data"
SHA256 = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
RNET_SIZE = 24
ONET_SIZE = 48


@dataclass(frozen=True)
class MtcnnOptions:
    """Options of MTCNN; conf/model/mtcnn.yaml explains them."""

    weights: str = "random"
    min_face_size: int = 20
    factor: float = 0.709
    thresholds: list[Share] = field(default_factory=lambda: [0.6, 0.7, 0.7])
    select: Selection = "keep_all"

    def __post_init__(self) -> None:
        if self.min_face_size < 1:
            raise ValueError(f"option 'min_face_size' is {self.min_face_size}, it must be at least 1")
        if not 0 < self.factor < 1:
            raise ValueError(f"option 'factor' is {self.factor}, it must lie between 0 and 1")
        if len(self.thresholds) != len(SHA256):
            raise ValueError(f"option 'thresholds' is {self.thresholds}, it must be one number per network")


def build_pnet() -> nn.Module:
    """Build P-Net without weights."""
    from faceport_facenet.nets_mtcnn import PNet

    return PNet()


def build_rnet() -> nn.Module:
    """Build R-Net without weights."""
    from faceport_facenet.nets_mtcnn import RNet

    return RNet()


def build_onet() -> nn.Module:
    """Build O-Net without weights."""
    from faceport_facenet.nets_mtcnn import ONet

    return ONet()


class Mtcnn(Model):
    """Find faces of any size in a picture of any size."""

    Options = MtcnnOptions
    options: MtcnnOptions
    provides = frozenset({"boxes", "scores", "points"})

    @cached_property
    def networks(self) -> Mapping[str, Network]:
        """P-Net for whole pictures, R-Net and O-Net for candidates."""
        offsets, scores = TensorSpec("offsets", ("batch", 4)), TensorSpec("probabilities", ("batch", 2))
        points = TensorSpec("points", ("batch", 10))
        return {
            "pnet": self._network(
                "pnet",
                TensorSpec("image", ("batch", 3, "height", "width")),
                TensorSpec("offsets", ("batch", 4, "rows", "columns")),
                TensorSpec("probabilities", ("batch", 2, "rows", "columns")),
                build=build_pnet,
            ),
            "rnet": self._network(
                "rnet",
                TensorSpec("image", ("batch", 3, RNET_SIZE, RNET_SIZE)),
                offsets,
                scores,
                build=build_rnet,
            ),
            "onet": self._network(
                "onet",
                TensorSpec("image", ("batch", 3, ONET_SIZE, ONET_SIZE)),
                offsets,
                points,
                scores,
                build=build_onet,
            ),
        }

    def _network(
        self, name: str, image: TensorSpec, *outputs: TensorSpec, build: Callable[[], nn.Module]
    ) -> Network:
        weights = self.options.weights.rstrip("/")
        side = image.shape[2]
        crop = "whole picture" if name == "pnet" else "square candidate, cut at the border"
        scale = f"{WINDOW / self.options.min_face_size:g} * {self.options.factor:g}^k"
        size = f"int(side * {scale} + 1)" if name == "pnet" else f"{side}x{side}"
        return Network(
            name=name,
            inputs=(image,),
            outputs=outputs,
            build=build,
            weights=weights if weights.partition(":")[0] == "random" else f"{weights}/{name}.pt",
            sha256=SHA256[name] if weights == OFFICIAL else "",
            preprocessing={
                "crop": crop,
                "resize": f"mean of all pixels touched, to {size}",
                "colour": "RGB",
                "layout": "NCHW",
                "mean": (127.5,) * 3,
                "std": (128.0,) * 3,
            },
        )

    def predict(self, sample: Sample) -> Steps:
        """Ask P-Net for all sizes of the picture at once, then R-Net and O-Net for all candidates at once."""
        height, width = sample.image.shape[:2]
        options, table = self.options, AreaTable(sample.image)
        levels = pyramid(height, width, options.min_face_size, options.factor)
        if not levels:
            return no_faces()
        maps = yield [Call("pnet", {"image": table.resize(level.height, level.width)}) for level in levels]
        candidates = [
            propose(found["offsets"][0], found["probabilities"][0], level.scale, options.thresholds[0])
            for level, found in zip(levels, maps, strict=True)
        ]
        boxes, pixels = regions(merge(candidates), height, width)
        if not len(boxes):
            return no_faces()
        found = yield Call("rnet", {"image": table.crops(pixels, RNET_SIZE)})
        boxes = refine(boxes, found["offsets"], found["probabilities"], options.thresholds[1])
        boxes, pixels = regions(boxes, height, width)
        if not len(boxes):
            return no_faces()
        found = yield Call("onet", {"image": table.crops(pixels, ONET_SIZE)})
        boxes, scores, points = decide(
            boxes, found["offsets"], found["points"], found["probabilities"], options.thresholds[2]
        )
        chosen = select(boxes, scores, options.select, height, width)
        return Faces(boxes=boxes[chosen], scores=scores[chosen], points=points[chosen])


def no_faces() -> Faces:
    """Answer for a picture in which no candidate was left."""
    return Faces(
        boxes=np.empty((0, 4), np.float32),
        scores=np.empty(0, np.float32),
        points=np.empty((0, 5, 2), np.float32),
    )
