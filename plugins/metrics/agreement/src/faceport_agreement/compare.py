"""Pair the faces of two runs on one picture; neither needs to be right."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceport.ops.boxes import iou
from faceport.types import Faces

Array = NDArray[np.float64]


class Pairs(NamedTuple):
    """Hold which of the faces that were found answers to which of the reference."""

    found: NDArray[np.intp]  # (n,) positions
    reference: NDArray[np.intp]  # (n,) positions


class Picture(NamedTuple):
    """Hold what two runs found in one picture."""

    found: Faces
    wanted: Faces  # of the reference, those that count
    pairs: Pairs


def compared(found: Faces, reference: Faces, least: float, threshold: float) -> Picture:
    """Pair the faces of a picture with those of the reference that score enough."""
    wanted = reference[scores(reference) >= threshold]
    return Picture(found, wanted, pair(found, wanted, least))


def pair(found: Faces, reference: Faces, least: float = 0.5) -> Pairs:
    """Pair faces: each, the best score first, takes the free one of the reference that it overlaps most.

    Where there are no boxes, faces are paired in their order, if they are as many.
    """
    if found.boxes is None or reference.boxes is None:
        count = len(found) if len(found) == len(reference) else 0
        return Pairs(np.arange(count), np.arange(count))
    overlap = iou(found.boxes, reference.boxes)
    taken = []
    for position in np.argsort(-scores(found), kind="stable") if len(reference) else ():
        best = int(overlap[position].argmax())
        if overlap[position, best] >= least:
            taken.append((position, best))
            overlap[:, best] = -1  # no longer free
    pairs = np.array(taken, dtype=np.intp).reshape(-1, 2)
    return Pairs(pairs[:, 0], pairs[:, 1])


def scores(faces: Faces) -> Array:
    """Give the scores of faces; 1 where a model has none."""
    return np.ones(len(faces)) if faces.scores is None else faces.scores.astype(np.float64)


def detection(confidence: Array, right: NDArray[np.bool_], wanted: int, threshold: float) -> dict[str, float]:
    """Score detections as if the reference were the truth: (n,) scores, (n,) whether one was paired."""
    sure = confidence >= threshold
    return {
        "precision": float(right[sure].mean()) if sure.any() else np.nan,
        "recall": float(right[sure].sum() / wanted),
        "ap": average_precision(confidence, right, wanted),
    }


def average_precision(confidence: Array, right: NDArray[np.bool_], wanted: int) -> float:
    """Compute the area under the decreasing envelope of precision over recall."""
    hits = np.cumsum(right[np.argsort(-confidence, kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(hits, prepend=0) * envelope) / wanted)
