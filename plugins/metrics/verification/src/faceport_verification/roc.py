"""The receiver operating characteristic of a list of pairs, exact: each distance is a threshold."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Roc(NamedTuple):
    """Hold the points of the curve, from accepting nothing to accepting everything."""

    far: Array  # share of different pairs that are accepted
    tar: Array  # share of same pairs that are accepted
    threshold: Array  # largest distance that is accepted; -inf for the first point
    negatives: int


def roc(distance: ArrayLike, same: ArrayLike) -> Roc:
    """Compute the curve of pairs (n,), (n,); pairs of equal distance are accepted together."""
    distance, same = np.asarray(distance, dtype=np.float64), np.asarray(same, dtype=bool)
    positives, negatives = int(same.sum()), int((~same).sum())
    if not positives or not negatives:
        raise ValueError(f"a ROC needs pairs of both kinds, not {positives} same and {negatives} different")
    order = np.argsort(distance, kind="stable")
    ordered = distance[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # of each run of equal distances
    true = np.cumsum(same[order])[last]
    return Roc(
        far=np.concatenate([[0.0], (last + 1 - true) / negatives]),
        tar=np.concatenate([[0.0], true / positives]),
        threshold=np.concatenate([[-np.inf], ordered[last]]),
        negatives=negatives,
    )


def area(curve: Roc) -> float:
    """Compute the area under the curve: the chance that a same pair is closer than a different one."""
    return float(np.sum(np.diff(curve.far) * (curve.tar[1:] + curve.tar[:-1])) / 2)


def equal_error_rate(curve: Roc) -> float:
    """Compute the rate at which as many same pairs are refused as different ones are accepted."""
    gap = curve.far - (1 - curve.tar)  # climbs from -1 to 1
    after = int(np.argmax(gap >= 0))
    share = gap[after] / (gap[after] - gap[after - 1])
    return float(curve.far[after] - share * (curve.far[after] - curve.far[after - 1]))


def tar_at_far(curve: Roc, far: float) -> float | None:
    """Compute the share of same pairs that can be accepted at a rate of false accepts of at most `far`.

    None where there are fewer than 1 / far different pairs: the data cannot tell.
    """
    if curve.negatives * far < 1 - 1e-9:
        return None
    return float(curve.tar[np.searchsorted(curve.far, far + 1e-12, side="right") - 1])
