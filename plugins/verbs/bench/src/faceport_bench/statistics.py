"""Percentiles, means and ratios, each with how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# A percentile is told from so many durations on: five lie beyond it then, and ten beyond the median.
PERCENTILES = {
    "p50": (0.5, 20),
    "p90": (0.9, 50),
    "p95": (0.95, 100),
    "p99": (0.99, 500),
    "p999": (0.999, 5000),
}
Z = 1.959964  # standard deviations to either end of a 95 % interval
# Quantiles of Student's t at 97.5 % by degrees of freedom; beyond them they hardly change.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
MANY = 2.0

Interval = tuple[float, float]


def percentiles(durations: Sequence[float]) -> tuple[dict[str, float], dict[str, Interval]]:
    """Give the percentiles for which there are enough durations, with intervals by order statistics."""
    ordered, count = np.sort(durations), len(durations)
    values, intervals = {}, {}
    for name, (share, least) in PERCENTILES.items():
        if count < least:
            continue
        values[name] = float(ordered[_rank(share * count, count)])
        spread = Z * math.sqrt(count * share * (1 - share))
        low, high = _rank(share * count - spread, count), _rank(share * count + spread, count)
        intervals[name] = (float(ordered[low]), float(ordered[high]))
    return values, intervals


def _rank(position: float, count: int) -> int:
    return min(max(math.ceil(position) - 1, 0), count - 1)


def mean_interval(values: Sequence[float]) -> tuple[float, Interval | None]:
    """Give the mean of independent values and its 95 % interval, where there are at least two."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    half = student(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, (mean - half, mean + half)


def ratio(ones: Sequence[float], others: Sequence[float]) -> tuple[float, Interval | None]:
    """Give by how much the others are more than the ones, from pairs that were measured side by side."""
    logs = [math.log(other / one) for one, other in zip(ones, others, strict=True)]
    mean, interval = mean_interval(logs)
    return math.exp(mean), interval and (math.exp(interval[0]), math.exp(interval[1]))


def student(freedom: int) -> float:
    """Give the quantile of Student's t that a 95 % interval of a mean needs."""
    return T[freedom - 1] if freedom <= len(T) else MANY


def rise(values: Sequence[float]) -> float:
    """Tell how many times as large the last third of some values is as the first, by their medians."""
    third = len(values) // 3
    if not third:
        return 1.0
    return float(np.median(values[-third:]) / np.median(values[:third]))
