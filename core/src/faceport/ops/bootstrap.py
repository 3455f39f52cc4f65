"""Confidence intervals by resampling: how far a number would move with other pictures of the same kind."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], Mapping[str, float]],
    count: int,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Give the interval of each number that `statistic` computes of `count` items drawn with replacement.

    `statistic` is given the positions of the items drawn, some of them more than once. A draw in which a
    number is NaN, or not there at all, says nothing of it.
    """
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(0, count, count)) for _ in range(rounds)]
    tail = (1 - level) / 2
    intervals = {}
    for name in dict.fromkeys(name for numbers in drawn for name in numbers):
        values = np.array([numbers[name] for numbers in drawn if name in numbers])
        values = values[~np.isnan(values)]
        low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (np.nan, np.nan)
        intervals[name] = (float(low), float(high))
    return intervals
