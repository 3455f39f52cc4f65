"""The pictures of which two runs say most different things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceport.data.predictions import FILE as PREDICTIONS
from faceport.data.predictions import read_predictions
from faceport.runs.records import Run
from faceport.types import Array, Faces
from faceport_report.gallery import landmark_error, matched

MOST_PICTURES = 10
SURE = 0.5  # least score of a face that counts


@dataclass(frozen=True)
class Picture:
    """A picture of which two runs say different things."""

    id: str
    change: float  # 0..1: how much of what is said is not the same
    words: str


def changed_pictures(before: Run, after: Run) -> list[Picture]:
    """Find the pictures of which two runs say most different things; no truth is needed."""
    paths = [run.folder / PREDICTIONS for run in (before, after)]
    if not all(path.is_file() for path in paths) or paths[0] == paths[1]:
        return []
    known = {prediction.id: prediction.faces for prediction in read_predictions(paths[0])}
    found = []
    for prediction in read_predictions(paths[1]):
        if prediction.id in known:
            change, words = changed(known[prediction.id], prediction.faces)
            if change > 0:
                found.append(Picture(prediction.id, change, words))
    return sorted(found, key=lambda one: -one.change)[:MOST_PICTURES]


def changed(old: Faces, new: Faces) -> tuple[float, str]:
    """Say how much of one picture's faces is not the same: 0 nothing, 1 everything."""
    before, after = _sure(old), _sure(new)
    if before is not None and after is not None:
        pairs, total = matched(before, after), len(before) + len(after)
        lost = 1 - 2 * pairs / total if total else 0.0
        if lost or old.landmarks is None:
            return lost, f"{len(before)} faces, then {len(after)}, {pairs} of them the same"
    if (pair := _alike(old.landmarks, new.landmarks)) is not None:
        moved = landmark_error(pair[1], pair[0])
        return min(1.0, moved), f"landmarks moved by {moved:.2%} of the face"
    if (pair := _alike(old.embeddings, new.embeddings)) is not None:
        lengths = np.linalg.norm(pair[0], axis=1) * np.linalg.norm(pair[1], axis=1)
        cosine = float(((pair[0] * pair[1]).sum(1) / np.maximum(lengths, 1e-12)).min())
        return max(0.0, 1 - cosine), f"least cosine of embeddings {cosine:.4f}"
    return 0.0, ""


def _sure(faces: Faces) -> Array | None:
    """Give the boxes that count."""
    if faces.boxes is None or faces.scores is None:
        return faces.boxes
    return faces.boxes[faces.scores >= SURE]


def _alike(one: Array | None, other: Array | None) -> tuple[Array, Array] | None:
    """Give both where they are of the same faces."""
    if one is None or other is None or one.shape != other.shape or not len(one):
        return None
    return one, other
