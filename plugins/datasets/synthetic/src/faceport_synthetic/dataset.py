"""Drawn faces with full truth: any number, any size, the same for the same seed, painted when looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from faceport.api import Dataset
from faceport.data.pictures import decode, encode
from faceport.ops.landmarks import convert
from faceport.types import Faces, Image, Sample
from faceport_synthetic.people import Face, make_faces
from faceport_synthetic.scene import paint_scene

VERSION = 1  # of the pictures: raised when the same seed gives other pixels or another truth
HEIGHTS = {"easy": 50, "medium": 30, "hard": 10}  # pixels; easy faces are also clear and not hidden


@dataclass(frozen=True)
class SyntheticOptions:
    """Options of the dataset."""

    count: int = 100
    size: list[int] = field(default_factory=lambda: [480, 640])  # height, width
    faces: list[int] = field(default_factory=lambda: [1, 4])  # fewest, most
    landmarks: Literal[98, 68, 5] = 98
    identities: int = 50
    seed: int = 0
    encoded: bool = False
    quality: int = 90

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 16:
            raise ValueError(f"option 'size' must be [height, width] of at least 16 pixels, not {self.size}")
        if len(self.faces) != 2 or not 0 <= self.faces[0] <= self.faces[1]:
            raise ValueError(f"option 'faces' must be [fewest, most], not {self.faces}")
        if self.count < 0 or self.identities < 1 or self.seed < 0 or not 1 <= self.quality <= 100:
            raise ValueError("count and seed must be 0 or more, identities 1 or more, quality 1 to 100")


class Synthetic(Dataset):
    """Draw pictures of people that do not exist."""

    Options = SyntheticOptions
    options: SyntheticOptions
    truth = frozenset({"boxes", "points", "landmarks", "identities", "attributes"})
    metrics: ClassVar[tuple[str, ...]] = ("widerface_ap", "landmarks")
    calibration = MappingProxyType({"seed": 1_000_003})

    def __iter__(self) -> Iterator[Sample]:
        return map(self.sample, range(len(self)))

    def __len__(self) -> int:
        return self.options.count

    def sample(self, index: int) -> Sample:
        """Plan one picture, whatever was asked for before; painting waits until it is looked at."""
        options = self.options
        height, width = options.size
        fewest, most = options.faces
        faces = make_faces(options.seed, index, (height, width), (fewest, most), options.identities)
        paint = partial(paint_scene, options.seed, index, (height, width), faces)
        name = f"{index:06d}"
        source = partial(decode, encode(paint(), ".jpg", options.quality), name) if options.encoded else paint
        return Sample(name, source, truth=describe(faces, options.landmarks))

    def made(self, sample: Sample) -> Sample:
        """Paint the picture now; a JPEG is painted already, and left to be decoded."""
        return sample if self.options.encoded else replace(sample, source=sample.image)

    def image(self, index: int) -> Image:
        """Paint one picture."""
        return self.sample(index).image

    def facts(self) -> Mapping[str, Any]:
        """Say what makes the pictures."""
        return {"synthetic": VERSION, **asdict(self.options)}


class People(Synthetic):
    """Draw the same few people again and again."""

    metrics = ("verification",)


def describe(faces: Sequence[Face], landmarks: int) -> Faces:
    """Write down everything that is known of the faces of a picture."""
    heads = [face.head for face in faces]
    boxes = _array([[*head.skin.min(axis=0), *head.skin.max(axis=0)] for head in heads], 4)
    points = _array([head.five for head in heads], 5, 2)
    dense = (
        points if landmarks == 5 else convert(_array([head.landmarks for head in heads], 98, 2), landmarks)
    )
    return Faces(
        boxes=boxes,
        points=points,
        landmarks=dense.astype(np.float32),
        identities=np.array([face.person.identity for face in faces], np.int64),
        attributes=_attributes(faces, boxes[:, 3] - boxes[:, 1]),
    )


def _array(values: Sequence[Any], *shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(values, np.float32).reshape(-1, *shape)  # of the right shape without faces, too


def _attributes(faces: Sequence[Face], heights: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Tell what makes faces hard, as WFLW does, at which levels of WIDER FACE they count, and angles."""
    views = [face.view for face in faces]
    angles = _array([[view.pose.yaw, view.pose.pitch, view.pose.roll] for view in views], 3)
    hard = {
        "pose": [abs(view.pose.yaw) > 25 for view in views],
        "expression": [view.expression.mouth_open > 0.4 for view in views],
        "illumination": [view.ambient < 0.4 for view in views],
        "makeup": [view.makeup for view in views],
        "occlusion": [bool(view.occluder) for view in views],
        "blur": [view.blur > 0 for view in views],
    }
    flags = {name: np.array(values, bool) for name, values in hard.items()}
    levels = {name: heights >= least for name, least in HEIGHTS.items()}
    levels["easy"] &= ~(flags["occlusion"] | flags["blur"])
    return flags | levels | dict(zip(("yaw", "pitch", "roll"), angles.T.copy(), strict=True))
