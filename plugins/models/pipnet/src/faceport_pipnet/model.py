"""PIPNet: landmarks of faces whose boxes are known, one crop each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceport.api import Network, SingleNetworkModel
from faceport.bounds import Amount
from faceport.errors import ConfigError
from faceport.ops.cutting import cut
from faceport.ops.images import IMAGENET_MEAN, IMAGENET_STD, to_batch
from faceport.ops.landmarks import FLIPS, neighbours
from faceport.types import Faces, Sample, Tensors, TensorSpec
from faceport_pipnet import BACKBONES
from faceport_pipnet.decode import (
    Floats,
    Ints,
    ballot,
    decode,
    published_mean_faces,
    read_mean_face,
)
from faceport_pipnet.lesson import PipnetLesson

if TYPE_CHECKING:
    from torch import nn

NAME = "pipnet"
SIZE = 256  # pixels of a crop's side
DRAWN = "drawn"  # weights that come with this plugin
DRAWN_NOTE = (
    "model.weights=drawn were trained on drawn faces: they show that landmarks move, and say nothing of how "
    "exact PIPNet is on photos, of int8 or of backbones"
)
MAPS = ("cls", "x", "y", "nb_x", "nb_y")


@dataclass(frozen=True)
class PipnetOptions:
    """Options of PIPNet; conf/model/*.yaml explains them."""

    backbone: str
    weights: str
    landmarks: Literal[98, 68, 29, 19, 106] = 98
    subset: list[int] | None = None
    neighbours: int = 10
    stride: Literal[32, 64, 128] = 32
    mean_face: str | None = None
    scale: Amount = 1.2
    top: Literal["auto", "cut", "grow"] = "auto"
    flip: bool = False
    fuse: bool = False

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            listed = ", ".join(BACKBONES)
            raise ValueError(f"option 'backbone' is '{self.backbone}', it must be one of: {listed}")
        subset = self.subset
        if subset is not None and (not subset or len(set(subset)) < len(subset)):
            raise ValueError(f"option 'subset' is {subset}, it must name landmarks, each once")
        if subset is not None and not 0 <= min(subset) <= max(subset) < self.landmarks:
            raise ValueError(f"option 'subset' is {subset}, its numbers must be 0 to {self.landmarks - 1}")
        if not 0 < self.neighbours < self.count:
            raise ValueError(
                f"option 'neighbours' is {self.neighbours}, it must be 1 to {self.count - 1} for "
                f"{self.count} landmarks"
            )
        if self.weights == DRAWN and (self.backbone, self.landmarks, subset) != ("slim", 98, None):
            raise ValueError("weights=drawn are those of pipnet_slim with its 98 landmarks, and of no other")
        if subset is not None and self.flip and len(self.mirror) < len(subset):
            raise ValueError(
                "option 'flip' needs a subset that holds the mirror image of each of its landmarks"
            )

    @property
    def count(self) -> int:
        """Number of landmarks that the network places."""
        return len(self.subset) if self.subset else self.landmarks

    @property
    def mirror(self) -> list[int]:
        """Position of each landmark's mirror image; those without one are left out."""
        chosen = self.subset or range(self.landmarks)
        position = {landmark: i for i, landmark in enumerate(chosen)}
        flips = FLIPS[self.landmarks].tolist()
        return [position[flips[landmark]] for landmark in chosen if flips[landmark] in position]


def source_of(weights: str) -> str:
    """Say where weights are that go by a short name."""
    return str(files("faceport_pipnet").joinpath("drawn.safetensors")) if weights == DRAWN else weights


def build(backbone: str, landmarks: int, neighbours: int, stride: int, table: Ints | None) -> nn.Module:
    """Build the bare network, with normalisation and decoding in it where there is a table of votes."""
    from faceport_pipnet.net import BACKBONES

    network = BACKBONES[backbone](landmarks, neighbours, stride)
    if table is not None:
        network.fold(table)
    return network


def crop_regions(boxes: Floats, scale: float, cut_top: bool, height: int, width: int) -> NDArray[np.float64]:
    """Grow boxes (n, 4) by a scale, inside the picture; the top edge moves down by as much with `cut_top`."""
    grow = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64) * ((scale - 1) / 2)
    low = boxes[:, :2] - grow * (1, -1 if cut_top else 1)
    low = np.clip(low, 0, (max(width - 2, 0), max(height - 2, 0)))
    high = np.clip(boxes[:, 2:] + grow, low + 1, (max(width - 1, 1), max(height - 1, 1)))
    return np.concatenate((low, high), axis=1)


class Pipnet(SingleNetworkModel):
    """Place landmarks on each face, by votes of the landmark itself and of its neighbours."""

    Options = PipnetOptions
    options: PipnetOptions
    provides = frozenset({"landmarks"})
    needs = frozenset({"boxes"})

    @property
    def notes(self) -> Sequence[str]:
        """Say what numbers of weights trained on drawn faces are worth."""
        return (DRAWN_NOTE,) if self.options.weights == DRAWN else ()

    @cached_property
    def table(self) -> Ints:
        """Whose votes are averaged for each landmark."""
        return ballot(neighbours(self.mean_face, self.options.neighbours))

    @property
    def mean_face(self) -> Floats:
        """Where landmarks lie on average: what makes some of them neighbours."""
        options = self.options
        if options.mean_face:
            return read_mean_face(Path(options.mean_face).expanduser(), options.count)
        mean_face = published_mean_faces()[options.landmarks]
        return mean_face if options.subset is None else mean_face[options.subset]

    @property
    def lesson(self) -> PipnetLesson:
        """Tell a trainer what to ask of the network and how to judge its answers."""
        options = self.options
        if options.fuse:
            raise ConfigError("what is trained are the maps: model.fuse=false (they can be fused afterwards)")
        return PipnetLesson(
            self.network,
            SIZE,
            options.scale,
            options.landmarks,
            options.subset,
            options.mirror,
            neighbours(self.mean_face, options.neighbours),
            SIZE // options.stride,
        )

    @cached_property
    def network(self) -> Network:
        """The one network."""
        options, grid = self.options, SIZE // self.options.stride
        shape = (options.backbone, options.count, options.neighbours, options.stride)
        around = options.count * options.neighbours
        graph: dict[str, Any] = dict(
            zip(("backbone", "landmarks", "neighbours", "stride"), shape, strict=True)
        )
        if options.fuse:
            graph["table"] = sha256(self.table.tobytes()).hexdigest()
        return Network(
            name=NAME,
            inputs=(
                TensorSpec("crop", ("batch", SIZE, SIZE, 3), "uint8")
                if options.fuse
                else TensorSpec("image", ("batch", 3, SIZE, SIZE)),
            ),
            outputs=(TensorSpec("landmarks", ("batch", options.count, 2)),)
            if options.fuse
            else tuple(
                TensorSpec(name, ("batch", count, grid, grid))
                for name, count in zip(MAPS, (options.count,) * 3 + (around,) * 2, strict=True)
            ),
            build=partial(build, *shape, self.table if options.fuse else None),
            weights=source_of(options.weights),
            options=graph,
            preprocessing=self.recipe(),
        )

    def recipe(self) -> dict[str, Any]:
        """Say how a face of a picture becomes an input."""
        top = {"cut": "down", "grow": "up", "auto": "down for detections, up for annotated boxes"}
        crop = {
            "crop": f"box times {self.options.scale:g} about its centre; top edge {top[self.options.top]}",
            "resize": f"bilinear to {SIZE}x{SIZE}, aspect not kept",
            "colour": "RGB",
        }
        if self.options.fuse:
            return {**crop, "layout": "NHWC"}
        return {**crop, "layout": "NCHW", "mean": IMAGENET_MEAN, "std": IMAGENET_STD}

    def regions(self, sample: Sample) -> NDArray[np.float64]:
        """Say which part of the picture each face's crop shows: (n, 4)."""
        faces = sample.faces
        if faces is None or faces.boxes is None:
            return np.empty((0, 4))
        cut_top = faces.scores is not None if self.options.top == "auto" else self.options.top == "cut"
        return crop_regions(faces.boxes, self.options.scale, cut_top, *sample.image.shape[:2])

    def preprocess(self, sample: Sample) -> Tensors:
        """Cut out every face, and mirror the crops behind them where flip averaging is on."""
        crops: Sequence[Any] = [cut(sample.image, region, SIZE)[0] for region in self.regions(sample)]
        if self.options.flip:
            crops = [*crops, *(crop[:, ::-1] for crop in crops)]
        if self.options.fuse:
            return {"crop": np.stack(crops) if crops else np.empty((0, SIZE, SIZE, 3), np.uint8)}
        if not crops:
            return {"image": np.empty((0, 3, SIZE, SIZE), np.float32)}
        return {"image": to_batch(crops, IMAGENET_MEAN, IMAGENET_STD)}

    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        """Decode the maps and bring the landmarks to the picture."""
        if self.options.fuse:
            relative = outputs["landmarks"]
        else:
            scores, x, y, nb_x, nb_y = (outputs[name] for name in MAPS)
            relative = decode(scores, x, y, nb_x, nb_y, self.table)
        if self.options.flip:
            upright, mirrored = np.split(relative, 2)
            mirrored = mirrored[:, self.options.mirror] * (-1, 1) + (1, 0)
            relative = (upright + mirrored) / 2
        regions = self.regions(sample)
        landmarks = regions[:, None, :2] + relative * (regions[:, 2:] - regions[:, :2])[:, None]
        faces = sample.faces if sample.faces is not None else Faces()
        return faces.with_fields(landmarks=landmarks.astype(np.float32))

    def empty(self, sample: Sample) -> Faces:
        """Answer for a picture without faces."""
        return super().empty(sample).with_fields(landmarks=np.empty((0, self.options.count, 2), np.float32))
