"""The protocol of Labeled Faces in the Wild: a threshold is chosen on nine folds and judged on the tenth.

Data: http://vis-www.cs.umass.edu/lfw/.
The arithmetic is, to the digit, that of the published FaceNet evaluation.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Distance = Literal["euclidean", "angle", "cosine"]
Protocol = Literal["facenet", "sphereface"]

LARGEST = 4.0  # squared distance of opposite unit vectors
VAL_STEP = 0.001  # of the thresholds for the validation rate


class Folds(NamedTuple):
    """Hold what each of f folds gave."""

    accuracy: Array  # (f,)
    threshold: Array  # (f,) a pair is the same person below this distance
    val: Array  # (f,) share of same pairs that are accepted at the wanted rate of false accepts
    far: Array  # (f,) share of different pairs that were accepted in fact
    correct: Mask  # (n,) pairs that were judged rightly


def distances(first: ArrayLike, second: ArrayLike, kind: Distance = "euclidean") -> Array:
    """Compute the distance of each pair of embeddings: (n, d), (n, d) -> (n,).

    euclidean is the squared distance, angle is in half turns, cosine is one minus the cosine.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if kind == "euclidean":
        difference = first - second
        return np.asarray(np.einsum("nd,nd->n", difference, difference))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosine = np.clip(np.einsum("nd,nd->n", first, second) / lengths, -1, 1)
    return np.asarray(1 - cosine if kind == "cosine" else np.arccos(cosine) / np.pi)


def split(count: int, folds: int) -> list[slice]:
    """Cut pairs into folds in their order; the first ones take what does not divide."""
    ends = np.cumsum([count // folds + (fold < count % folds) for fold in range(folds)]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def best_threshold(distance: Array, same: Mask, protocol: Protocol = "facenet") -> float:
    """Find the threshold that tells most pairs apart.

    facenet takes the first of the best in steps of 0.01, sphereface the mean of the best in steps of 0.0001.
    """
    grid = np.arange(0, LARGEST, 0.01 if protocol == "facenet" else 0.0001)
    accepted_same, accepted_different = accepted(distance, same, grid)
    right = accepted_same + (~same).sum() - accepted_different
    return float(grid[right.argmax()] if protocol == "facenet" else grid[right == right.max()].mean())


def far_threshold(distance: Array, same: Mask, far: float) -> float:
    """Find the threshold at which a share of the different pairs is accepted; 0 where it is never reached."""
    grid = np.arange(0, LARGEST, VAL_STEP)
    rates = accepted(distance, same, grid)[1] / max(1, (~same).sum())
    return float(np.interp(far, rates, grid)) if rates.max() >= far else 0.0


def accepted(distance: Array, same: Mask, grid: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Count the same and the different pairs below each threshold."""
    return (
        np.searchsorted(np.sort(distance[same]), grid, side="left"),
        np.searchsorted(np.sort(distance[~same]), grid, side="left"),
    )


def evaluate_folds(
    first: ArrayLike,
    second: ArrayLike,
    same: ArrayLike,
    *,
    folds: int = 10,
    distance: Distance = "euclidean",
    protocol: Protocol = "facenet",
    subtract_mean: bool = False,
    far: float = 1e-3,
) -> Folds:
    """Judge each fold by thresholds chosen on the others; pairs of embeddings (n, d), (n, d), (n,)."""
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    same = np.asarray(same, dtype=bool)
    apart = distances(first, second, distance)
    correct = np.zeros(len(same), dtype=bool)
    rows = []
    for test in split(len(same), folds):
        train = np.ones(len(same), dtype=bool)
        train[test] = False
        if subtract_mean:
            mean = (first[train].mean(axis=0) + second[train].mean(axis=0)) / 2
            apart = distances(first - mean, second - mean, distance)
        threshold = best_threshold(apart[train], same[train], protocol)
        correct[test] = (apart[test] < threshold) == same[test]
        limit = far_threshold(apart[train], same[train], far)
        rows.append((correct[test].mean(), threshold, *rates(apart[test], same[test], limit)))
    accuracy, thresholds, val, reached = np.array(rows).T
    return Folds(accuracy, thresholds, val, reached, correct)


def rates(distance: Array, same: Mask, threshold: float) -> tuple[float, float]:
    """Compute the shares of same and of different pairs below a threshold; NaN where there are none."""
    below = distance < threshold
    return _share(below[same]), _share(below[~same])


def _share(flags: Mask) -> float:
    return float(flags.mean()) if len(flags) else float("nan")
