"""Faces of successive pictures that belong together: by how they overlap, and by how alike they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.ops.boxes import iou

Floats = NDArray[np.floating[Any]]


def best_pairs(affinity: Floats, least: float) -> list[tuple[int, int]]:
    """Pair rows with columns, the best pair first, none of less than `least`: (n, m) -> [(row, column)]."""
    pairs: list[tuple[int, int]] = []
    left = np.array(affinity, np.float64)
    while left.size and left.max() >= least:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        pairs.append((int(row), int(column)))
        left[row], left[:, column] = -np.inf, -np.inf
    return pairs


@dataclass
class _Track:
    number: int
    box: Floats  # (4,) where it was seen last
    embedding: Floats | None  # (d,) of length one, as seen lately
    seen: int  # number of the picture


class Tracker:
    """Give faces numbers that stay with them from picture to picture.

    A face is the one of before that it overlaps most; among several that overlap, the one that it is most
    like, where embeddings are known. A face that comes back is known by its embedding.
    """

    def __init__(self, overlap: float = 0.3, alike: float = 0.6, patience: int = 25) -> None:
        self._overlap, self._alike = overlap, alike  # IoU; cosine of embeddings, which depends on the model
        self._patience = patience  # pictures that a face without an embedding may be away
        self._tracks: list[_Track] = []
        self._picture = self._numbers = 0

    def follow(self, boxes: Floats, embeddings: Floats | None = None) -> NDArray[np.int64]:
        """Give the faces of the next picture their numbers: (n, 4), (n, d) -> (n,)."""
        self._picture += 1
        units = None if embeddings is None else [_unit(row) for row in embeddings]
        numbers = np.zeros(len(boxes), np.int64)
        near = [track for track in self._tracks if self._picture - track.seen <= self._patience]
        overlaps = _overlaps(near, boxes)
        alike = _cosines(near, units)
        affinity = np.where(overlaps >= self._overlap, overlaps if alike is None else 2 + alike, -1.0)
        found = [(near[row], column) for row, column in best_pairs(affinity, self._overlap)]
        if units is not None:
            taken = {track.number for track, _ in found}
            away = [track for track in self._tracks if track.number not in taken]
            free = sorted({*range(len(boxes))} - {column for _, column in found})
            alike = _cosines(away, [units[column] for column in free])
            if alike is not None:
                found += [(away[row], free[at]) for row, at in best_pairs(alike, self._alike)]
        for track, column in found:
            self._update(track, boxes[column], None if units is None else units[column])
            numbers[column] = track.number
        for column in np.flatnonzero(numbers == 0).tolist():
            self._numbers += 1
            unit = None if units is None else units[column]
            self._tracks.append(_Track(self._numbers, boxes[column], unit, self._picture))
            numbers[column] = self._numbers
        longest = self._patience if units is None else 40 * self._patience
        self._tracks = [track for track in self._tracks if self._picture - track.seen <= longest]
        return numbers

    def _update(self, track: _Track, box: Floats, unit: Floats | None) -> None:
        track.box, track.seen = box, self._picture
        if unit is not None:
            track.embedding = unit if track.embedding is None else _unit(0.8 * track.embedding + 0.2 * unit)


def _overlaps(tracks: list[_Track], boxes: Floats) -> Floats:
    if not tracks or not len(boxes):
        return np.zeros((0, 0))
    return iou(np.stack([track.box for track in tracks]), boxes)


def _cosines(tracks: list[_Track], units: list[Floats] | None) -> Floats | None:
    """Compare tracks with faces; None where either has no embeddings."""
    known = [track.embedding for track in tracks if track.embedding is not None]
    if not units or not known or len(known) < len(tracks):
        return None
    return np.asarray(np.stack(known) @ np.stack(units).T)


def _unit(row: Floats) -> Floats:
    return np.asarray(row / max(float(np.linalg.norm(row)), 1e-12))
