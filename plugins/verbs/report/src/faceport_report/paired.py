"""Is a difference more than chance? The same pictures are left out of both runs, group by group.

A bootstrap draws pictures several times, which metrics that go by the names of pictures count once. So
the pictures are dealt into groups, and each number is computed without each group in turn (a grouped
jackknife): the differences say how far the whole one would move with other pictures of the same kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from faceport.api import Metric, Scored
from faceport.verbs.show.numbers import is_number

GROUPS = 20
WIDTH = 2.093  # Student's t of GROUPS - 1 degrees of freedom, 95 %
FEWEST = 2 * GROUPS  # pictures


@dataclass(frozen=True)
class Difference:
    """By how much one number is another, and how far chance could move that."""

    before: float | None
    after: float | None
    interval: tuple[float, float] | None = None  # 95 %, of after - before
    how: str = ""  # the interval was found: pairs, intervals, durations

    @property
    def change(self) -> float | None:
        """Give after - before."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def real(self) -> bool | None:
        """Tell whether it is more than chance; None where nobody knows."""
        return None if self.interval is None else not self.interval[0] <= 0 <= self.interval[1]


def jackknife(
    metric: Metric, before: Sequence[Scored], after: Sequence[Scored], seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Give the 95 % interval of the difference of each number of a metric, over the same pictures."""
    count = len(before)
    if count < FEWEST:
        return {}
    group = np.random.default_rng(seed).permutation(count) % GROUPS
    whole = _difference(metric, before, after)
    parts = []
    for number in range(GROUPS):
        kept = np.flatnonzero(group != number).tolist()
        parts.append(_difference(metric, [before[at] for at in kept], [after[at] for at in kept]))
    intervals = {}
    for name, value in whole.items():
        values = np.array([part.get(name, math.nan) for part in parts])
        if np.isfinite(values).all():
            error = math.sqrt((GROUPS - 1) / GROUPS * float(((values - values.mean()) ** 2).sum()))
            intervals[name] = (value - WIDTH * error, value + WIDTH * error)
    return intervals


def _difference(metric: Metric, before: Sequence[Scored], after: Sequence[Scored]) -> dict[str, float]:
    first, second = _numbers(metric, before), _numbers(metric, after)
    return {name: second[name] - value for name, value in first.items() if name in second}


def _numbers(metric: Metric, items: Sequence[Scored]) -> dict[str, float]:
    found: Mapping[str, object] = metric.compute(iter(items))
    return {name: float(value) for name, value in found.items() if is_number(value)}  # type: ignore[arg-type]


def of_intervals(
    before: float, first: tuple[float, float], after: float, second: tuple[float, float]
) -> tuple[float, float]:
    """Give the interval of a difference of numbers whose intervals are known and have nothing in common."""
    spread = math.hypot((first[1] - first[0]) / 2, (second[1] - second[0]) / 2)
    return after - before - spread, after - before + spread
