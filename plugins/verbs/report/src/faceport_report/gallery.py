"""Worst and typical pictures of a run, small, with truth and prediction on them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.api import Scored
from faceport.data.pictures import encode
from faceport.ops.boxes import iou
from faceport.types import Faces, Image, Sample
from faceport_report.curves import Opened

WORST, TYPICAL = 4, 2
SIDE = 300  # pixels of the longer side
QUALITY = 72
MOST_BYTES = 60_000  # of a picture
TRUTH, FOUND = (70, 220, 120), (255, 120, 60)  # RGB
SAME = 0.5  # least overlap of a face and what was found


@dataclass(frozen=True)
class Case:
    """One picture of the gallery."""

    title: str  # worst, typical
    id: str
    error: str  # in words
    jpeg: str  # base64


def gallery(found: Opened) -> list[Case]:
    """Choose pictures by their error: the worst ones, and some from the middle."""
    errors = [error_of(item) for item in found.items]
    known = [at for at, error in enumerate(errors) if error is not None]
    known.sort(key=lambda at: -(errors[at] or (0.0, ""))[0])
    middle = len(known) // 2
    worst = [at for at in known[:WORST] if (errors[at] or (0.0, ""))[0] > 0]
    typical = [at for at in known[middle : middle + TYPICAL] if at not in worst]
    cases = []
    for title, positions in (("worst", worst), ("typical", typical)):
        for at in positions:
            jpeg = _drawn(found.samples[at], found.items[at])
            if jpeg:
                cases.append(Case(title, found.items[at].id, (errors[at] or (0.0, ""))[1], jpeg))
    return cases


def error_of(item: Scored) -> tuple[float, str] | None:
    """Measure one picture: landmarks by their mean error over the box's diagonal, else faces by boxes."""
    truth, faces = item.truth, item.faces
    if faces.embeddings is not None:  # its boxes were given, and who somebody is shows in pairs only
        return None
    wanted, given = truth.landmarks, faces.landmarks
    if wanted is not None and given is not None and wanted.shape == given.shape and len(wanted):
        error = landmark_error(given, wanted)
        return error, f"mean error of landmarks {error:.1%} of the face"
    if truth.boxes is None or faces.boxes is None:
        return None
    good = faces.boxes if faces.scores is None else faces.boxes[faces.scores >= SAME]
    hits = matched(good, truth.boxes)
    total = len(good) + len(truth.boxes)
    error = 1 - 2 * hits / total if total else 0.0
    return error, f"{hits} of {len(truth.boxes)} faces found, {len(good) - hits} found that are none"


def landmark_error(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Mean distance of landmarks over the diagonal of those that are wanted, where both are known."""
    spread = np.nanmax(wanted, axis=1) - np.nanmin(wanted, axis=1)
    size = np.maximum(np.linalg.norm(spread, axis=1), 1e-6)
    return float(np.nanmean(np.linalg.norm(found - wanted, axis=2) / size[:, None]))


def matched(found: NDArray[Any], wanted: NDArray[Any]) -> int:
    """Count faces that one box each was found for, best overlap first."""
    if not len(found) or not len(wanted):
        return 0
    overlap, hits = iou(found, wanted).copy(), 0
    while overlap.max() >= SAME:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        overlap[row], overlap[:, column] = -1, -1
        hits += 1
    return hits


def _drawn(sample: Sample, item: Scored) -> str:
    """Draw truth and prediction onto a small copy; empty where the picture cannot be read."""
    try:
        image = sample.image
    except Exception:  # a picture that is gone costs its place in the gallery only
        return ""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas: Image = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    for faces, colour in ((item.truth, TRUTH), (item.faces, FOUND)):
        _mark(canvas, faces, colour, scale)
    sample.__dict__.pop("_image", None)  # its memory
    for quality in (QUALITY, 40, 20):
        data = encode(canvas, ".jpg", quality)
        if len(data) <= MOST_BYTES:
            return base64.b64encode(data).decode()
    return ""


def _mark(canvas: Image, faces: Faces, colour: tuple[int, int, int], scale: float) -> None:
    if faces.boxes is not None:
        keep = np.full(len(faces.boxes), True) if faces.scores is None else faces.scores >= SAME
        for box in faces.boxes[keep]:
            if np.isfinite(box).all() and np.abs(box).max() < 1e6:
                x1, y1, x2, y2 = np.rint(box * scale).astype(int).tolist()
                cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 1, cv2.LINE_AA)
    dots = faces.landmarks if faces.landmarks is not None else faces.points
    if dots is not None:
        for x, y in dots.reshape(-1, 2) * scale:
            if np.isfinite((x, y)).all() and max(abs(x), abs(y)) < 1e6:
                cv2.circle(canvas, (round(x), round(y)), 1, colour, cv2.FILLED, cv2.LINE_AA)
