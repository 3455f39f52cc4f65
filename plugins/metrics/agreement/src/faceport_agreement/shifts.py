"""Measure how far paired faces are apart, field by field: what was found from the reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.types import Faces

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

CHUNK = 1024  # embeddings whose neighbours are looked for at once


def of_boxes(found: Floats, reference: Floats) -> dict[str, float]:
    """Compute the overlap of each pair: 2 x (n, 4)."""
    low = np.maximum(found[:, :2], reference[:, :2])
    high = np.minimum(found[:, 2:], reference[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    whole = sum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (found, reference)) - shared
    overlap = np.divide(shared, whole, out=np.ones_like(shared), where=whole > 0)
    return {"box_iou": overlap.mean(), "box_iou_min": overlap.min()}


def of_scores(found: Floats, reference: Floats) -> dict[str, float]:
    """Compute the change of each score: 2 x (n,)."""
    change = np.abs(found - reference)
    return {"score_shift": change.mean(), "score_shift_max": change.max()}


def of_points(found: Floats, reference: Floats, name: str = "point") -> dict[str, float]:
    """Compute how far each face's points are off, in pixels and in shares of its size: 2 x (n, k, 2)."""
    pixels = np.linalg.norm(found - reference, axis=2).mean(axis=1)
    size = np.hypot(*np.ptp(reference, axis=1).T)  # the diagonal of what the points span
    share = np.divide(pixels, size, out=np.zeros_like(pixels), where=size > 0)
    return {
        f"{name}_px": pixels.mean(),
        f"{name}_px_p99": np.quantile(pixels, 0.99),
        f"{name}_px_max": pixels.max(),
        f"{name}_share": share.mean(),
    }


def of_landmarks(found: Floats, reference: Floats) -> dict[str, float]:
    """Compute the same of landmarks."""
    return of_points(found, reference, "landmark")


def of_embeddings(found: Floats, reference: Floats) -> dict[str, float]:
    """Compute the cosine of each pair: 2 x (n, d)."""
    cosine = np.einsum("nd,nd->n", _unit(found), _unit(reference))
    return {"cosine": cosine.mean(), "cosine_min": cosine.min()}


def rank_flips(found: Floats, reference: Floats) -> float:
    """Compute the share of faces that have another nearest neighbour now: 2 x (n, d); NaN of under three."""
    if len(found) < 3:
        return np.nan
    return float(np.mean(_nearest(_unit(found)) != _nearest(_unit(reference))))


def _unit(embeddings: Floats) -> Array:
    return np.asarray(embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12))


def _nearest(vectors: Array) -> NDArray[np.intp]:
    nearest = []
    for start in range(0, len(vectors), CHUNK):
        block = vectors[start : start + CHUNK] @ vectors.T
        block[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        nearest.append(block.argmax(axis=1))
    return np.concatenate(nearest)


SHIFTS: dict[str, Callable[[Floats, Floats], dict[str, float]]] = {
    "boxes": of_boxes,
    "scores": of_scores,
    "points": of_points,
    "landmarks": of_landmarks,
    "embeddings": of_embeddings,
}


def measure(found: list[Faces], reference: list[Faces]) -> dict[str, float]:
    """Measure every field that both sides know of all pictures; the faces of each are paired in order."""
    result: dict[str, float] = {}
    for name, shift in SHIFTS.items():
        values = both(name, found, reference)
        if values:
            result |= shift(*values)
    return result


def both(name: str, found: list[Faces], reference: list[Faces]) -> tuple[Array, Array] | None:
    """Gather a field of all faces on both sides; None where a side does not know it everywhere."""
    sides = [[getattr(faces, name) for faces in side] for side in (found, reference)]
    if not found or any(value is None for side in sides for value in side):
        return None
    first, second = (np.concatenate(side).astype(np.float64) for side in sides)
    return first, second
