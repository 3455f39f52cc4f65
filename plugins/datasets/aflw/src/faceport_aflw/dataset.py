"""AFLW (https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/aflw): faces of every pose.

The labels are the 19 landmarks of AFLWinfo_release.mat, which all papers on AFLW-Full and AFLW-Frontal share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceport.data.archive import Archive
from faceport.data.crops import grown, inside
from faceport.data.labelled import LabelledPictures, by_picture, rows_of
from faceport.data.matlab import read_matlab, text_in
from faceport.errors import FaceportError
from faceport.types import Crops, Faces, Sample

POINTS = 19
INFO = "AFLWinfo_release.mat"
VARIABLES = ("bbox", "data", "mask_new", "nameList", "ra")
LARGEST = 1e9  # pixels; a float32 holds it
TRAIN = 20_000  # the first so many of the published order; the others are the test set


@dataclass(frozen=True)
class AflwOptions:
    """Options of the dataset."""

    root: str = "data/aflw"
    split: Literal["full", "frontal", "train"] = "full"


class Aflw(LabelledPictures):
    """Stream the pictures of AFLW with the faces of the split."""

    Options = AflwOptions
    options: AflwOptions
    truth = frozenset({"boxes", "landmarks", "attributes"})
    metrics = ("landmarks",)
    calibration = MappingProxyType({"split": "train"})
    get = (
        "AFLW is for research only and given on request: ask at https://www.tugraz.at/institute/icg/research/"
        "team-bischof/lrs/downloads/aflw, take AFLWinfo_release.mat from "
        "http://mmlab.ie.cuhk.edu.hk/projects/compositional.html, put it beside the folder flickr and say "
        "dataset.root=FOLDER"
    )

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Read the faces of the split, in the published order."""
        content, order, visible = self.content, self.order, self.visible
        x, y = content["data"][order].reshape(-1, 2, POINTS).transpose(1, 0, 2)
        faces = Faces(
            boxes=content["bbox"][order][:, [0, 2, 1, 3]].astype(np.float32),  # x1, x2, y1, y2 in the file
            landmarks=np.stack([x, y], axis=2).astype(np.float32),
            attributes={"frontal": visible[order]},
        )
        return by_picture(self.names, faces)

    @cached_property
    def content(self) -> Mapping[str, NDArray[Any]]:
        """Load the annotations."""
        path = self.annotation(INFO)
        return load(path, self.read_annotations(path))

    @cached_property
    def visible(self) -> NDArray[np.bool_]:
        """Tell of every face of the set whether all its landmarks are in sight."""
        return np.asarray((self.content["mask_new"] == 1).all(axis=1))

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Give the positions of the split's faces, in the published order."""
        order = self.content["ra"].reshape(-1).astype(np.int64) - 1
        order = order[:TRAIN] if self.options.split == "train" else order[TRAIN:]
        return order[self.visible[order]] if self.options.split == "frontal" else order

    @cached_property
    def names(self) -> list[str]:
        """Give the picture of each face of the split."""
        try:
            return [text_in(self.content["nameList"][position, 0]) for position in self.order]
        except ValueError as error:
            raise FaceportError(f"{INFO}: nameList holds what is no name: {error}") from error

    @cached_property
    def rows(self) -> Mapping[str, list[int]]:
        """Find the rows of the split that each picture's faces stand in."""
        return rows_of(self.names)

    @property
    def split(self) -> str:
        """Name the part as PIPNet's files are named: the frontal faces are a list within the test set."""
        return "train" if self.options.split == "train" else "test"

    def crops(self, sample: Sample) -> Crops:
        """Cut faces out as for PIPNet: their boxes as they are, files numbered as the set's annotations."""
        truth = sample.truth
        assert truth is not None and truth.boxes is not None and truth.landmarks is not None
        size = sample.image.shape[:2]
        names = [f"aflw_{self.split}_{self.order[row] + 1:05d}.jpg" for row in self.rows[sample.id]]
        return Crops(names, grown(truth.boxes, 1.0, *size), inside(truth.landmarks, *size))

    @cached_property
    def pictures(self) -> Archive:
        """Find the folder of pictures."""
        return self.part("flickr", "AFLW/flickr", "data/flickr")

    @property
    def protocol(self) -> str:
        """Name the split."""
        return f"AFLW {self.options.split}"


def load(path: str, content: bytes) -> Mapping[str, NDArray[Any]]:
    """Read the annotations, and say so when they are none."""
    found = read_matlab(path, content, VARIABLES)
    absent = [name for name in VARIABLES if name not in found]
    if absent:
        raise FaceportError(f"{path}: has no {', '.join(absent)}: not the annotations of AFLW")
    count = len(found["data"])
    shapes = {
        "bbox": (count, 4),
        "data": (count, 2 * POINTS),
        "mask_new": (count, POINTS),
        "nameList": (count, 1),
    }
    wrong = [
        name
        for name, shape in shapes.items()
        if found[name].shape != shape or found[name].dtype.kind not in ("O" if name == "nameList" else "iuf")
    ]
    if wrong or sorted(found["ra"].reshape(-1).tolist()) != list(range(1, count + 1)):
        raise FaceportError(f"{path}: {', '.join(wrong) or 'ra'} does not fit its {count} faces")
    if not ((np.abs(found["data"]) < LARGEST).all() and (np.abs(found["bbox"]) < LARGEST).all()):
        raise FaceportError(f"{path}: a landmark or a box is not finite")
    return found
