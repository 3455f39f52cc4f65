"""300-W (https://ibug.doc.ic.ac.uk/resources/300-W/): 68 landmarks on the faces of four older sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceport.errors import FaceportError
from faceport.labelled import LabelledPictures, extents, lines, numbers
from faceport.media import PICTURES
from faceport.types import Faces

POINTS = 68
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
    get = (
        "300-W is free for research only: take afw, helen, ibug and lfpw from "
        "https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/, unpack them into one folder (the "
        "pictures beside their .pts files) and say dataset.root=FOLDER"
    )

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Read the .pts file of each picture."""
        names = sorted(self.root.names())
        pictures = {name.rpartition(".")[0]: name for name in names if name.lower().endswith(PICTURES)}
        labels = {}
        for folder in SPLITS[self.options.split]:
            found = [name for name in names if name.startswith(f"{folder}/") and name.endswith(".pts")]
            if not found:
                raise self.absent(f"there is no {folder}/*.pts in {self.root.path}")
            for name in found:
                stem = name.removesuffix(".pts")
                landmarks = parse(name, self.root.read(name))[None]
                flags = {"common": folder in COMMON, "challenge": folder in CHALLENGE}
                attributes = {flag: np.array([value]) for flag, value in flags.items()}
                faces = Faces(boxes=extents(landmarks), landmarks=landmarks, attributes=attributes)
                labels[pictures.get(stem, f"{stem}.jpg")] = faces
        return labels

    @property
    def protocol(self) -> str:
        """Name the split."""
        return f"300-W {self.options.split}"


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
