"""COCO-style keypoints of faces, as mmpose converts all its face datasets: https://cocodataset.org/#format-data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from faceport.data.archive import Archive, open_root
from faceport.data.labelled import LabelledPictures, rows_of
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.files import expand
from faceport.types import Faces

Array = NDArray[np.float64]
UNREADABLE = (KeyError, TypeError, ValueError, OverflowError)
EXTRAS: dict[str, tuple[int, ...]] = {
    "center": (2,),
    "scale": (),
}  # mmpose's crop, in pixels and in 200 pixels


@dataclass(frozen=True)
class CocoKeypointsOptions:
    """Options of the dataset."""

    path: str
    root: str | None = None  # folder or archive of the pictures


class CocoKeypoints(LabelledPictures):
    """Stream the pictures of an annotation file with all its faces; landmarks without label are NaN."""

    Options = CocoKeypointsOptions
    options: CocoKeypointsOptions
    truth = frozenset({"boxes", "landmarks", "attributes"})
    metrics = ("landmarks",)
    get = "Say dataset.path=FILE.json and, if they are elsewhere, dataset.root=PICTURES"

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Read the annotation file."""
        return parse(self.options.path, self.outside(self.options.path, "path"))

    @cached_property
    def pictures(self) -> Archive:
        """Open the folder of the pictures: that of the annotations, if no other is named."""
        return open_root(self.options.root or expand(self.options.path).parent)

    @property
    def protocol(self) -> str:
        """Name the annotation file."""
        return f"keypoints of {self.options.path}"


def parse(path: str, content: bytes) -> dict[str, Faces]:
    """Read images and annotations; crowds are left out."""
    try:
        table = orjson.loads(content)
        names = _names(path, table["images"])
        items = [item for item in table["annotations"] if not item.get("iscrowd")]
        owners = [item["image_id"] for item in items]
        stray = next((item for item in items if item["image_id"] not in names), None)
    except orjson.JSONDecodeError as error:
        raise FaceportError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise FaceportError(
            f"{path}: not a COCO annotation file: {type(error).__name__} {printable(error, 120)}"
        ) from error
    if stray:
        where = f"annotation {_title(stray)} is of image {printable(stray['image_id'], 80)}"
        raise FaceportError(f"{path}: {where}, not listed")
    faces, rows = _faces(path, items), rows_of(owners)
    return {name: faces[np.array(rows.get(image, ()), dtype=np.intp)] for image, name in names.items()}


def _title(item: Mapping[str, Any]) -> str:
    """Name an image or an annotation in a message."""
    return printable(item.get("id"), 80)


def _names(path: str, images: list[dict[str, Any]]) -> dict[Any, str]:
    """Read the pictures: file names by id, each once."""
    names: dict[Any, str] = {}
    for image in images:
        name = image["file_name"]
        if not isinstance(name, str) or not name:
            raise FaceportError(
                f"{path}: file_name {printable(name, 80)} of image {_title(image)} is not a name"
            )
        if image["id"] in names:
            raise FaceportError(f"{path}: image {_title(image)} is listed twice")
        names[image["id"]] = name
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise FaceportError(f"{path}: {printable(twice[0])} is listed twice")
    return names


def _points(path: str, items: list[dict[str, Any]]) -> int:
    """Count the landmarks, which must be as many in every annotation."""
    counts = {
        len(points) if isinstance(points := item.get("keypoints"), list) else 0: _title(item)
        for item in items
    }
    if len(counts) == 1:
        (count,) = counts
        if count and count % 3 == 0:
            return count // 3
    listed = ", ".join(f"{count} in annotation {item}" for count, item in list(counts.items())[:3]) or "none"
    raise FaceportError(f"{path}: keypoints must be x, y, v of as many landmarks everywhere; found {listed}")


def _faces(path: str, items: list[dict[str, Any]]) -> Faces:
    x, y, visible = np.moveaxis(_column(path, items, "keypoints", (_points(path, items), 3)), 2, 0)
    left, top, width, height = _column(path, items, "bbox", (4,)).T
    empty = np.flatnonzero((width <= 0) | (height <= 0))
    if len(empty):
        raise FaceportError(f"{path}: annotation {_title(items[empty[0]])}: the box has no size")
    shared = [name for name in EXTRAS if all(name in item for item in items)]
    return Faces(
        boxes=np.stack([left, top, left + width, top + height], axis=1).astype(np.float32),
        landmarks=np.where(visible > 0, (x, y), np.nan).transpose(1, 2, 0).astype(np.float32),
        attributes={name: _column(path, items, name, EXTRAS[name]).astype(np.float32) for name in shared},
    )


def _column(path: str, items: list[dict[str, Any]], key: str, shape: tuple[int, ...]) -> Array:
    """Read numbers of a known shape from every annotation: (n, *shape), finite as float32."""
    try:
        values = np.array([item[key] for item in items], np.float64).reshape(len(items), *shape)
    except UNREADABLE:
        for item in items:  # one by one, to name the first that is wrong
            where = f"{path}: annotation {_title(item)}: {key}"
            try:
                np.array(item[key], np.float64).reshape(shape)
            except UNREADABLE as error:
                raise FaceportError(f"{where}: {type(error).__name__} {printable(error, 120)}") from error
        raise FaceportError(f"{path}: {key} is not alike in all annotations") from None
    wrong = ~(np.abs(values) <= np.finfo(np.float32).max).reshape(len(items), -1).all(axis=1)
    if wrong.any():
        item = items[int(wrong.argmax())]
        raise FaceportError(f"{path}: annotation {_title(item)}: {key}: a number is not finite")
    return values
