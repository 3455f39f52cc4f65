"""WFLW (https://arxiv.org/abs/1805.10483): 98 landmarks on 10,000 faces, 2,500 of them to test on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceport.data.archive import Archive
from faceport.data.crops import crops_of, inside
from faceport.data.labelled import LabelledPictures, by_picture, extents, lines, numbers, rows_of
from faceport.data.pictures import is_picture
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.types import Crops, Faces, Sample

POINTS = 98
ATTRIBUTES = ("pose", "expression", "illumination", "makeup", "occlusion", "blur")
SHORT = 2 * POINTS  # numbers in a line before the name: landmarks
LONG = SHORT + 4 + len(ATTRIBUTES)  # landmarks, box, attributes


@dataclass(frozen=True)
class WflwOptions:
    """Options of the dataset."""

    root: str = "data/wflw"
    split: Literal["test", "train"] = "test"
    list: str | None = None  # another annotation file


class Wflw(LabelledPictures):
    """Stream the pictures of WFLW with all faces that the list names in them."""

    Options = WflwOptions
    options: WflwOptions
    truth = frozenset({"boxes", "landmarks", "attributes"})
    metrics = ("landmarks",)
    calibration = MappingProxyType({"split": "train"})
    get = (
        "WFLW is free for research only: take WFLW_images.tar.gz and WFLW_annotations.tar.gz from "
        "https://wywu.github.io/projects/LAB/WFLW.html, unpack both into one folder and say "
        "dataset.root=FOLDER"
    )

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Read the list, one face a line."""
        return parse(*self.list_file)

    @cached_property
    def list_file(self) -> tuple[str, bytes]:
        """Find the list: its name and what it says."""
        if self.options.list:
            return self.options.list, self.outside(self.options.list, "list")
        folder = "list_98pt_rect_attr_train_test/"
        name = f"list_98pt_rect_attr_{self.options.split}.txt"
        found = self.annotation(f"WFLW_annotations/{folder}{name}", folder + name, name)
        return found, self.read_annotations(found)

    @cached_property
    def rows(self) -> Mapping[str, list[int]]:
        """Find the rows of the list that each picture's faces stand in."""
        return rows_of([line.split()[-1] for _, line in lines(self.list_file[1])])

    def crops(self, sample: Sample) -> Crops:
        """Cut faces out as for PIPNet: boxes grown by a fifth, files numbered as the lines of the list."""
        crops, size = crops_of(sample, scale=1.2), sample.image.shape[:2]
        names = [f"wflw_{self.split}_{row + 1:04d}.jpg" for row in self.rows[sample.id]]
        assert crops.landmarks is not None
        return Crops(names, crops.regions, inside(crops.landmarks, *size))

    @cached_property
    def pictures(self) -> Archive:
        """Find the folder of pictures."""
        return self.part("WFLW_images")

    @property
    def protocol(self) -> str:
        """Name the split."""
        return f"WFLW {self.options.list or self.options.split}"


def parse(path: str, content: bytes) -> dict[str, Faces]:
    """Read an annotation list, with boxes and attributes or without.

    Without them (the lists by attribute) the boxes are what the landmarks span.
    """
    names: list[str] = []
    rows: list[NDArray[np.float64]] = []
    for number, line in lines(content):
        where = f"{path}:{number}"
        *fields, name = line.split()
        if len(fields) not in (SHORT, LONG) or (rows and len(rows[0]) != len(fields)):
            raise FaceportError(
                f"{where}: expected {SHORT} or {LONG} numbers and a name, as in all lines, "
                f"found {len(fields)}"
            )
        if not is_picture(name):
            raise FaceportError(f"{where}: expected the name of a picture, found '{printable(name, 80)}'")
        names.append(name)
        rows.append(numbers(fields, where))
        if len(fields) == LONG and not _sound(rows[-1]):
            raise FaceportError(f"{where}: a box of no size, or an attribute that is neither 0 nor 1")
    if not rows:
        raise FaceportError(f"{path}: names no face")
    table = np.stack(rows)
    landmarks = table[:, :SHORT].reshape(-1, POINTS, 2).astype(np.float32)
    if table.shape[1] == SHORT:
        return by_picture(names, Faces(boxes=extents(landmarks), landmarks=landmarks))
    boxes = table[:, SHORT : SHORT + 4].astype(np.float32)
    attributes = dict(zip(ATTRIBUTES, table[:, SHORT + 4 :].T.astype(bool), strict=True))
    return by_picture(names, Faces(boxes=boxes, landmarks=landmarks, attributes=attributes))


def _sound(row: NDArray[np.float64]) -> bool:
    x1, y1, x2, y2 = row[SHORT : SHORT + 4]
    return bool(x1 < x2 and y1 < y2 and np.isin(row[SHORT + 4 :], (0, 1)).all())
