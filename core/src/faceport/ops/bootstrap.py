"""Confidence intervals by resampling: how far a number would move with other pictures of the same kind."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

ROUNDS = 200  # by default, where they are cheap: the ends of an interval wobble by some 5 % of its width
LEVEL = 0.95


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], Mapping[str, float]],
    count: int,
    rounds: int = ROUNDS,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Give the interval of each number that `statistic` computes of `count` items drawn with replacement.

    `statistic` is given the positions of the items drawn, some of them more than once. A draw in which a
    number is NaN, or not there at all, says nothing of it.
    """
    rng = np.random.default_rng(seed)
    return intervals([statistic(rng.integers(0, count, count)) for _ in range(rounds)], level)


def draws(count: int, rounds: int = ROUNDS, seed: int = 0) -> NDArray[np.int64]:
    """Say how often each of `count` items is drawn in each round: (rounds, count), what bootstrap() draws.

    For numbers that are sums over items: one product of matrices gives the sums of all rounds.
    """
    rng = np.random.default_rng(seed)
    weights = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(rounds)]
    return np.array(weights).reshape(rounds, count)


def intervals(drawn: Sequence[Mapping[str, float]], level: float = LEVEL) -> dict[str, tuple[float, float]]:
    """Give the interval of each number over what came out of the rounds."""
    tail = (1 - level) / 2
    ends = {}
    for name in dict.fromkeys(name for numbers in drawn for name in numbers):
        values = np.array([numbers[name] for numbers in drawn if name in numbers])
        values = values[~np.isnan(values)]
        low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (np.nan, np.nan)
        ends[name] = (float(low), float(high))
    return ends
