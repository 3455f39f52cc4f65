"""COCO-style keypoints of faces, as mmpose converts all its face datasets: https://cocodataset.org/#format-data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from faceport.archive import Archive, open_root
from faceport.errors import FaceportError
from faceport.labelled import LabelledPictures
from faceport.types import Faces

Array = NDArray[np.float64]
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
        return open_root(self.options.root or Path(self.options.path).expanduser().parent)

    @property
    def protocol(self) -> str:
        """Name the annotation file."""
        return f"keypoints of {self.options.path}"


def parse(path: str, content: bytes) -> dict[str, Faces]:
    """Read images and annotations; crowds are left out."""
    try:
        table = orjson.loads(content)
        names = _names(path, table["images"])
        by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for annotation in table["annotations"]:
            if annotation["image_id"] not in names:
                raise FaceportError(
                    f"{path}: annotation {annotation['id']} is of image {annotation['image_id']}, not listed"
                )
            if not annotation.get("iscrowd"):
                by_image[annotation["image_id"]].append(annotation)
    except orjson.JSONDecodeError as error:
        raise FaceportError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (KeyError, TypeError) as error:
        raise FaceportError(f"{path}: not a COCO annotation file: {type(error).__name__} {error}") from error
    points = _points(path, by_image)
    return {name: _faces(path, by_image[image], points) for image, name in names.items()}


def _names(path: str, images: list[dict[str, Any]]) -> dict[Any, str]:
    """Read the pictures: file names by id, each once."""
    names: dict[Any, str] = {}
    for image in images:
        name = image["file_name"]
        if not isinstance(name, str) or not name:
            raise FaceportError(f"{path}: file_name {name!r} of image {image['id']} is not a name")
        if image["id"] in names:
            raise FaceportError(f"{path}: image {image['id']} is listed twice")
        names[image["id"]] = name
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise FaceportError(f"{path}: {twice[0]} is listed twice")
    return names


def _points(path: str, by_image: Mapping[Any, list[dict[str, Any]]]) -> int:
    """Count the landmarks, which must be as many in every annotation."""
    counts = {
        len(points) if isinstance(points := item.get("keypoints"), list) else 0: item.get("id")
        for items in by_image.values()
        for item in items
    }
    if len(counts) == 1:
        (count,) = counts
        if count and count % 3 == 0:
            return count // 3
    listed = ", ".join(f"{count} in annotation {item}" for count, item in list(counts.items())[:3]) or "none"
    raise FaceportError(f"{path}: keypoints must be x, y, v of as many landmarks everywhere; found {listed}")


def _faces(path: str, annotations: list[dict[str, Any]], points: int) -> Faces:
    landmarks = np.empty((len(annotations), points, 2), np.float32)
    boxes = np.empty((len(annotations), 4), np.float32)
    shared = [name for name in EXTRAS if annotations and all(name in item for item in annotations)]
    extras: dict[str, list[Array]] = {name: [] for name in shared}
    for i, item in enumerate(annotations):
        where = f"{path}: annotation {item.get('id')}"
        x, y, visible = _read(where, item, "keypoints", (points, 3)).T
        left, top, width, height = _read(where, item, "bbox", (4,))
        if width <= 0 or height <= 0:
            raise FaceportError(f"{where}: the box has no size")
        landmarks[i] = np.where(visible > 0, (x, y), np.nan).T
        boxes[i] = left, top, left + width, top + height
        for name, values in extras.items():
            values.append(_read(where, item, name, EXTRAS[name]))
    attributes = {name: np.array(values, np.float32) for name, values in extras.items()}
    return Faces(boxes=boxes, landmarks=landmarks, attributes=attributes)


def _read(where: str, item: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> Array:
    """Read numbers of a known shape; what is not a finite number, of float32, is an error."""
    try:
        values = np.array(item[key], dtype=np.float64).reshape(shape)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FaceportError(f"{where}: {key}: {type(error).__name__} {error}") from error
    if not (np.abs(values) <= np.finfo(np.float32).max).all():
        raise FaceportError(f"{where}: {key}: a number is not finite")
    return values
