"""300-W (https://ibug.doc.ic.ac.uk/resources/300-W/): 68 landmarks on the faces of four older sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceport.data.labelled import LabelledPictures, extents, lines, numbers, only_one
from faceport.data.pictures import is_picture
from faceport.errors import FaceportError
from faceport.types import Crops, Faces, Sample

POINTS = 68
GROWTH = 1.1  # of what the landmarks span, for a crop
COMMON, CHALLENGE = ("helen/testset", "lfpw/testset"), ("ibug",)
SPLITS = {
    "train": ("afw", "helen/trainset", "lfpw/trainset"),
    "common": COMMON,
    "challenge": CHALLENGE,
    "full": COMMON + CHALLENGE,
    "private": ("01_Indoor", "02_Outdoor"),  # the test set of the competition
}


@dataclass(frozen=True)
class W300Options:
    """Options of the dataset."""

    root: str = "data/300w"
    split: Literal["full", "common", "challenge", "train", "private"] = "full"


class W300(LabelledPictures):
    """Stream the pictures of 300-W; boxes are what the landmarks span, as has become custom."""

    Options = W300Options
    options: W300Options
    truth = frozenset({"boxes", "landmarks", "attributes"})
    metrics = ("landmarks",)
    calibration = MappingProxyType({"split": "train"})
    get = (
        "300-W is free for research only: take afw, helen, ibug and lfpw from "
        "https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/, unpack them into one folder (the "
        "pictures beside their .pts files) and say dataset.root=FOLDER"
    )

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Read the .pts file of each picture."""
        names = sorted(self.root.names())
        labels = {}
        for folder in SPLITS[self.options.split]:
            found = [name for name in names if name.startswith(f"{folder}/") and name.endswith(".pts")]
            if not found:
                raise self.absent(f"there is no {folder}/*.pts in {self.root.path}")
            here = [name for name in names if name.startswith(f"{folder}/") and is_picture(name)]
            pictures = only_one(here, str(self.root.path))
            for name in found:
                stem = name.removesuffix(".pts")
                landmarks = parse(name, self.read_annotations(name))[None]
                flags = {"common": folder in COMMON, "challenge": folder in CHALLENGE}
                attributes = {flag: np.array([value]) for flag, value in flags.items()}
                faces = Faces(boxes=extents(landmarks), landmarks=landmarks, attributes=attributes)
                labels[pictures.get(stem, f"{stem}.jpg")] = faces
        return labels

    @property
    def split(self) -> str:
        """Name the part as PIPNet's files are named: common and challenge are lists within the test set."""
        return "test" if self.options.split in ("full", "common", "challenge") else self.options.split

    def crops(self, sample: Sample) -> Crops:
        """Cut the face out as for PIPNet: what whole pixels of landmarks span, grown by a tenth."""
        assert sample.truth is not None and sample.truth.landmarks is not None
        landmarks = np.trunc(sample.truth.landmarks.astype(np.float64))
        region = published_region(landmarks[0], *sample.image.shape[:2])
        return Crops([sample.id.replace("/", "_")], region[None], landmarks)

    @property
    def protocol(self) -> str:
        """Name the split."""
        return f"300-W {self.options.split}"


def published_region(landmarks: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Grow what landmarks (k, 2) span by a tenth, in whole pixels, as the published preparation does."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    size = high - low
    low = np.maximum(low - np.trunc((GROWTH - 1) / 2 * size), 0)
    size = np.minimum(np.trunc(size * GROWTH), (width, height) - low - 1)
    return np.concatenate([low, low + size])


def parse(path: str, content: bytes) -> NDArray[np.float32]:
    """Read a .pts file: 68 lines 'x y' in braces. The coordinates are kept as they stand there."""
    every = list(lines(content))
    if not every or every[-1][1] != "}":
        raise FaceportError(f"{path}: the file ends before the closing brace")
    rows = [(number, line) for number, line in every if line[0] not in "{}" and ":" not in line]
    if len(rows) != POINTS:
        raise FaceportError(f"{path}: expected {POINTS} landmarks, found {len(rows)}")
    points = [numbers(line.split(), f"{path}:{number}") for number, line in rows]
    wrong = next((number for (number, _), point in zip(rows, points, strict=True) if len(point) != 2), 0)
    if wrong:
        raise FaceportError(f"{path}:{wrong}: expected 'x y'")
    return np.stack(points).astype(np.float32)
