"""COCO-style keypoints of faces, as mmpose converts all its face datasets: https://cocodataset.org/#format-data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from faceport.archive import Archive, open_root
from faceport.errors import FaceportError
from faceport.labelled import LabelledPictures
from faceport.types import Faces

EXTRAS = ("center", "scale")  # of mmpose: where it crops, in pixels and in 200 pixels


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
        names = {image["id"]: str(image["file_name"]) for image in table["images"]}
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


def _points(path: str, by_image: Mapping[Any, list[dict[str, Any]]]) -> int:
    """Count the landmarks, which must be as many in every annotation."""
    counts = {len(item.get("keypoints", ())): item.get("id") for items in by_image.values() for item in items}
    if len(counts) == 1:
        (count,) = counts
        if count and count % 3 == 0:
            return count // 3
    listed = ", ".join(f"{count} in annotation {item}" for count, item in list(counts.items())[:3]) or "none"
    raise FaceportError(f"{path}: keypoints must be x, y, v of as many landmarks everywhere; found {listed}")


def _faces(path: str, annotations: list[dict[str, Any]], points: int) -> Faces:
    landmarks, boxes = np.zeros((len(annotations), points, 2)), np.zeros((len(annotations), 4))
    for i, item in enumerate(annotations):
        try:
            x, y, visible = np.array(item["keypoints"], dtype=np.float64).reshape(points, 3).T
            left, top, width, height = np.array(item["bbox"], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise FaceportError(
                f"{path}: annotation {item.get('id')}: {type(error).__name__} {error}"
            ) from error
        if not np.isfinite([*x, *y, left, top, width, height]).all() or width <= 0 or height <= 0:
            raise FaceportError(
                f"{path}: annotation {item.get('id')}: a number is not finite, or the box has no size"
            )
        landmarks[i] = np.where(visible > 0, (x, y), np.nan).T
        boxes[i] = left, top, left + width, top + height
    shared = [name for name in EXTRAS if annotations and all(name in item for item in annotations)]
    return Faces(
        boxes=boxes.astype(np.float32),
        landmarks=landmarks.astype(np.float32),
        attributes={
            name: np.array([item[name] for item in annotations], dtype=np.float32) for name in shared
        },
    )
