"""Gather the labelled faces of all pictures, each beside what was predicted for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.api import Scored
from faceport.errors import FaceportError
from faceport.ops.boxes import iou
from faceport.ops.landmarks import CONVERSIONS, convert
from faceport.types import Faces

NOT_FOUND = -1
SAME_BOX = 0.5  # least overlap of a box with what a model that was told of it gives back


@dataclass(frozen=True, eq=False)
class LabelledFaces:
    """Hold n labelled faces, in the order of their pictures' ids."""

    pictures: list[str]  # (n,) ids
    truth: NDArray[np.float64]  # (n, k, 2)
    predicted: NDArray[np.float64]  # (n, k, 2); NaN where nothing was found
    found: NDArray[np.bool_]  # (n,)
    boxes: NDArray[np.float64] | None  # (n, 4)
    attributes: dict[str, NDArray[Any]]  # (n, ...)

    @property
    def subsets(self) -> dict[str, NDArray[np.bool_]]:
        """Find the attributes that are yes or no, and say which faces have them: (n,) each."""
        return {
            name: value.astype(bool)
            for name, value in self.attributes.items()
            if value.ndim == 1 and value.dtype.kind in "bui" and np.isin(value, (0, 1)).all()
        }

    def in_box_shares(self) -> LabelledFaces:
        """Measure x and y in shares of the sides of each box, as the published PIPNet evaluation does."""
        if self.boxes is None:
            raise ValueError("space 'box' needs the boxes of the truth")
        sides = (self.boxes[:, 2:] - self.boxes[:, :2])[:, None]
        boxes = np.tile([0.0, 0.0, 1.0, 1.0], (len(self.boxes), 1))
        return replace(self, truth=self.truth / sides, predicted=self.predicted / sides, boxes=boxes)


def collect(items: Iterable[Scored], points: int | None = None) -> LabelledFaces:
    """Pair the faces of every picture; `points` reads all landmarks as a smaller set.

    Without it, 98 labelled points are read as 68 by themselves where a model places 68.
    """
    # Sorted, so that shards give the same sums to the last bit whatever the order they are read in.
    ordered = sorted(items, key=lambda item: item.id)
    points = points or _placed(ordered)
    rows = [_pair(item, item.truth.landmarks, points) for item in ordered if item.truth.landmarks is not None]
    rows = [row for row in rows if len(row.found)]
    if not rows:
        raise FaceportError("no face of this dataset has labelled landmarks")
    names = set.intersection(*(set(row.attributes) for row in rows))
    boxes = [row.boxes for row in rows if row.boxes is not None]
    return LabelledFaces(
        pictures=[picture for row in rows for picture in row.pictures],
        truth=np.concatenate([row.truth for row in rows]),
        predicted=np.concatenate([row.predicted for row in rows]),
        found=np.concatenate([row.found for row in rows]),
        boxes=np.concatenate(boxes) if len(boxes) == len(rows) else None,
        attributes={name: np.concatenate([row.attributes[name] for row in rows]) for name in sorted(names)},
    )


def _placed(items: list[Scored]) -> int | None:
    """Find how many landmarks the model places, if labelled ones can be read as that many."""
    for item in items:
        labels, found = item.truth.landmarks, item.faces.landmarks
        if labels is not None and found is not None and len(found):
            return found.shape[1] if (labels.shape[1], found.shape[1]) in CONVERSIONS else None
    return None


def _pair(item: Scored, labels: NDArray[np.float32], points: int | None) -> LabelledFaces:
    """Pair the faces of one picture; those of which no landmark is labelled are left out."""
    truth = convert(labels, points or labels.shape[1]).astype(np.float64)
    pairs = pair_faces(item.faces, item.truth)
    found = pairs != NOT_FOUND
    predicted = np.full(truth.shape, np.nan)
    if found.any() and item.faces.landmarks is not None:
        landmarks = convert(item.faces.landmarks, points or item.faces.landmarks.shape[1])
        if landmarks.shape[1] != truth.shape[1]:
            raise FaceportError(
                f"{item.id}: {landmarks.shape[1]} landmarks were predicted, {truth.shape[1]} are labelled; "
                "metric.landmarks.points=68 reads both as a set that they share, if there is one"
            )
        predicted[found] = landmarks[pairs[found]]
    labelled = ~np.isnan(truth).all(axis=(1, 2))
    return LabelledFaces(
        pictures=[item.id] * int(labelled.sum()),
        truth=truth[labelled],
        predicted=predicted[labelled],
        found=found[labelled],
        boxes=None if item.truth.boxes is None else item.truth.boxes[labelled].astype(np.float64),
        attributes={name: value[labelled] for name, value in item.truth.attributes.items()},
    )


def pair_faces(found: Faces, truth: Faces) -> NDArray[np.intp]:
    """Give the position of each labelled face's prediction, NOT_FOUND where there is none.

    A model that was told where the faces are answers in that order, and is taken at its word however far off
    its landmarks are. A detector's faces are paired by the overlap of what their landmarks span.
    """
    if found.landmarks is None or truth.landmarks is None or not len(found):
        return np.full(len(truth), NOT_FOUND)
    if len(found) == len(truth) and _told(found, truth):
        return np.arange(len(truth))
    pairs = np.full(len(truth), NOT_FOUND)
    overlap = iou(_spans(truth.landmarks), _spans(found.landmarks))
    while overlap.size and overlap.max() > 0:
        labelled, predicted = np.unravel_index(overlap.argmax(), overlap.shape)
        pairs[labelled] = predicted
        overlap[labelled], overlap[:, predicted] = 0, 0
    return pairs


def _told(found: Faces, truth: Faces) -> bool:
    if found.boxes is None or truth.boxes is None:
        return True
    return bool((iou(found.boxes, truth.boxes).diagonal() >= SAME_BOX).all())


def _spans(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the boxes around landmarks: (n, k, 2) -> (n, 4)."""
    return np.concatenate([np.nanmin(landmarks, axis=1), np.nanmax(landmarks, axis=1)], axis=1)
