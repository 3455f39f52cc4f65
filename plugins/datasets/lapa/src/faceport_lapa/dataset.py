"""LaPa (https://arxiv.org/abs/1907.09359): 106 landmarks on 22,000 faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceport.data.archive import Archive
from faceport.data.labelled import LabelledPictures, extents, lines, numbers
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.types import Faces

POINTS = 106


@dataclass(frozen=True)
class LapaOptions:
    """Options of the dataset."""

    root: str = "data/LaPa"
    split: Literal["test", "val", "train"] = "test"


class Lapa(LabelledPictures):
    """Stream the pictures of LaPa; boxes are what the landmarks span."""

    Options = LapaOptions
    options: LapaOptions
    truth = frozenset({"boxes", "landmarks"})
    metrics = ("landmarks",)
    calibration = MappingProxyType({"split": "train"})
    get = (
        "LaPa is free for research only: take LaPa.tar.gz as https://github.com/JDAI-CV/lapa-dataset says, "
        "unpack it and say dataset.root=FOLDER, the one with train, val and test"
    )

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Read the landmark file of each picture."""
        folder = self.part(f"{self.options.split}/landmarks")
        labels = {}
        for name in sorted(folder.names()):
            if name.endswith(".txt"):
                path = f"{self.options.split}/landmarks/{name}"
                landmarks = parse(path, self.read_annotations(name, folder))[None]
                labels[f"{name[:-4]}.jpg"] = Faces(boxes=extents(landmarks), landmarks=landmarks)
        return labels

    @cached_property
    def pictures(self) -> Archive:
        """Find the folder of pictures."""
        return self.part(f"{self.options.split}/images")

    @property
    def protocol(self) -> str:
        """Name the split."""
        return f"LaPa {self.options.split}"


def parse(path: str, content: bytes) -> NDArray[np.float32]:
    """Read a landmark file: the number of landmarks, then a line 'x y' for each."""
    (_, count), *rows = [*lines(content)] or [(1, "nothing")]
    if count != str(POINTS) or len(rows) != POINTS:
        raise FaceportError(
            f"{path}:1: says {printable(count, 20)} landmarks and {len(rows)} lines follow, not {POINTS}"
        )
    points = []
    for number, line in rows:
        points.append(numbers(line.split(), f"{path}:{number}"))
        if len(points[-1]) != 2:
            raise FaceportError(f"{path}:{number}: expected 'x y', found '{printable(line, 80)}'")
    return np.stack(points).astype(np.float32)
