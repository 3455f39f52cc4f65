"""RetinaFace: all faces of a picture, with eyes, nose and mouth corners, in one pass of one network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from faceport.api import Model, Network, Steps
from faceport.bounds import Count, Share
from faceport.networks.weights import checkpoint, redacted
from faceport.ops.boxes import clip, nms
from faceport.ops.cutting import Placement, fit, pad
from faceport.ops.images import Image, to_batch
from faceport.types import Call, Faces, Sample, Tensors, TensorSpec
from faceport_retinaface.decode import Anchors, count_priors, decode_boxes, decode_points, priors
from faceport_retinaface.folded import unfolded

if TYPE_CHECKING:
    from torch import nn

NAME = "retinaface"
MEAN_BGR = (104, 117, 123)
MEAN_RGB = MEAN_BGR[::-1]  # a border of this colour is zero to the network
STRIDE = 32
DEFAULT_ANCHORS = ((16, 32), (64, 128), (256, 512))


@dataclass(frozen=True)
class RetinaFaceOptions:
    """Options of RetinaFace; conf/model/*.yaml explains them."""

    backbone: Literal["mobilenet0.25", "resnet50"] = "mobilenet0.25"
    weights: str = "random"
    anchors: Any = "auto"  # or three rows of two sides in pixels
    size: Any = "original"  # or the longest side in pixels
    pad: Literal["auto", "none", "square", "stride"] = "auto"
    confidence: Share = 0.02
    nms: Share = 0.4
    top_k: Count | None = None
    keep_top_k: Count | None = None
    clip: bool = False

    def __post_init__(self) -> None:
        if self.size != "original" and not (type(self.size) is int and self.size > 0):
            raise ValueError(f"option 'size' is {self.size!r}, it must be 'original' or a number of pixels")
        if self.anchors != "auto" and np.shape(self.anchors) != np.shape(DEFAULT_ANCHORS):
            raise ValueError(
                f"option 'anchors' is {self.anchors!r}, it must be 'auto' or three pairs of sides such as "
                f"{[list(row) for row in DEFAULT_ANCHORS]}"
            )

    @property
    def padding(self) -> str:
        """What `pad` means at this size: auto fills up to the square whose side was asked for."""
        if self.pad != "auto":
            return self.pad
        return "none" if self.size == "original" else "square"

    @property
    def square(self) -> int | None:
        """The side of the network's input, where every picture gets the same."""
        return self.size if self.size != "original" and self.padding == "square" else None


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint and the anchors that it was trained with."""

    sha256: str
    name: str
    url: str
    anchors: Anchors
    short: str = ""  # what may be said for its url as model.weights
    official: bool = True  # whether the accuracy on the card is that of its authors


@lru_cache(maxsize=1)
def known_checkpoints() -> tuple[Checkpoint, ...]:
    """Read the published checkpoints that this plugin knows."""
    text = files("faceport_retinaface").joinpath("checkpoints.json").read_text(encoding="utf-8")
    return tuple(Checkpoint(**entry) for entry in json.loads(text))


def source_of(weights: str) -> str:
    """Say where weights are that go by a short name."""
    return next(
        (known.url for known in known_checkpoints() if known.short and known.short == weights), weights
    )


def build(backbone: str) -> nn.Module:
    """Build the bare network."""
    from faceport_retinaface.net import RetinaFaceNet

    return RetinaFaceNet(backbone)


class RetinaFace(Model):
    """Find faces in a picture of any size."""

    Options = RetinaFaceOptions
    options: RetinaFaceOptions
    provides = frozenset({"boxes", "scores", "points"})

    @cached_property
    def network(self) -> Network:
        """The one network, of a fixed input size where every picture gets the same."""
        options, side = self.options, self.options.square
        height, width = (side, side) if side else ("height", "width")
        resize = "none" if options.size == "original" else f"longest side to {options.size} pixels, bilinear"
        source = source_of(options.weights)
        count = count_priors(side, side, DEFAULT_ANCHORS) if side else "priors"
        return Network(
            name=NAME,
            inputs=(TensorSpec("image", ("batch", 3, height, width)),),
            outputs=(
                TensorSpec("loc", ("batch", count, 4)),
                TensorSpec("conf", ("batch", count, 2)),
                TensorSpec("landms", ("batch", count, 10)),
            ),
            build=partial(build, options.backbone),
            weights=source,
            sha256=next((known.sha256 for known in known_checkpoints() if known.url == source), ""),
            options={"backbone": options.backbone},
            adapt=unfolded,
            preprocessing={
                "resize": resize,
                "padding": f"{options.padding}, right and below, with the mean colour",
                "colour": "BGR",
                "mean": list(MEAN_BGR),
                "std": [1.0, 1.0, 1.0],
                "layout": "NCHW",
                "dtype": "float32",
            },
        )

    @property
    def networks(self) -> Mapping[str, Network]:
        """The one network, by its name."""
        return {NAME: self.network}

    @cached_property
    def _known(self) -> Checkpoint | None:
        sha256 = checkpoint(self.network).sha256
        return next((known for known in known_checkpoints() if known.sha256 == sha256), None)

    @cached_property
    def anchors(self) -> Anchors:
        """The anchors that the weights were trained with, as far as that is known."""
        if self.options.anchors != "auto":
            return [list(row) for row in self.options.anchors]
        return self._known.anchors if self._known else DEFAULT_ANCHORS

    @property
    def notes(self) -> Sequence[str]:
        """Say what the numbers on the card do not hold for: other weights, or anchors that are a guess."""
        if self.options.anchors != "auto" or checkpoint(self.network).random:
            return ()
        if self._known:
            other = (
                f"The weights are those of {self._known.name}: the accuracy on the card is that of others."
            )
            return () if self._known.official else (other,)
        guess = [list(row) for row in DEFAULT_ANCHORS]
        unknown = f"The checkpoint {redacted(self.options.weights)} is unknown"
        taken = f"{unknown}, so its anchors are taken to be {guess}"
        return (f"{taken}: give model.anchors if it was trained with others.",)

    def settled(self) -> Mapping[str, Any]:
        """Write the anchors out: a machine without the weights cannot look them up."""
        return {"anchors": [list(row) for row in self.anchors]}

    def predict(self, sample: Sample) -> Steps:
        """Run the network on the whole picture."""
        canvas, placement = self.place(sample.image)
        height, width = canvas.shape[:2]
        outputs = yield Call(NAME, {"image": to_batch([canvas], MEAN_BGR, bgr=True)})
        faces = self.decode(outputs, height, width, placement)
        if self.options.clip and faces.boxes is not None:
            return faces.with_fields(boxes=clip(faces.boxes, *sample.image.shape[:2]))
        return faces

    def place(self, image: Image) -> tuple[Image, Placement]:
        """Bring a picture to the size that the network is to see."""
        height, width = image.shape[:2]
        side, padding = self.options.size, self.options.padding
        placement = Placement()
        if side != "original" and side != max(height, width):
            new_height, new_width = fit(height, width, side, side)
            image = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
            placement = Placement((new_width / width, new_height / height))
            height, width = new_height, new_width
        if padding == "square":
            height = width = max(height, width)
        elif padding == "stride":
            height, width = -(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE
        return pad(image, height, width, MEAN_RGB), placement

    def decode(self, outputs: Tensors, height: int, width: int, placement: Placement) -> Faces:
        """Turn the outputs for one canvas into faces of the picture that lies on it."""
        options = self.options
        scores = outputs["conf"][0, :, 1]
        index = np.flatnonzero(scores > options.confidence)
        scores = scores[index]
        if options.top_k is not None and len(index) > options.top_k:
            best = np.sort(np.argsort(-scores, kind="stable")[: options.top_k])
            index, scores = index[best], scores[best]
        anchors = priors(height, width, self.anchors, index)
        boxes = placement.restore(decode_boxes(outputs["loc"][0, index], anchors, height, width))
        finite = np.isfinite(boxes).all(axis=1)
        if not finite.all():
            index, scores, anchors, boxes = index[finite], scores[finite], anchors[finite], boxes[finite]
        kept = nms(boxes, scores, options.nms, inclusive=True)[: options.keep_top_k]
        points = decode_points(outputs["landms"][0, index[kept]], anchors[kept], height, width)
        return Faces(boxes=boxes[kept], scores=scores[kept], points=placement.restore(points))
