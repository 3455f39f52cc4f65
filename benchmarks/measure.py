"""Candidates that take turns, and ratios of their times: what the benchmarks share.

`make bench` runs every benchmark with FACEPORT_BENCH naming a file; `claim` appends a line to it, and
tools/bench.py makes the table of benchmarks/README.md of those lines.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STEADY = 1.5  # most that the upper quartile may be over the lower one


@dataclass(frozen=True)
class Ratio:
    """How many times as fast: the median over turns, and their quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.low:.2f}-{self.high:.2f}]"


def in_turns(
    candidates: Mapping[str, Callable[[], Any]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time candidates, one after the other in each turn, so that a drifting machine hits all alike."""
    names = list(candidates)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(repeats):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            before = clock()
            candidates[name]()
            seconds[name].append(clock() - before)
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> Ratio:
    """Compare two candidates turn by turn."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Ratio(median, low, high)


def claim(what: str, anchor: str, found: Ratio, goal: float | None = None, note: str = "") -> None:
    """Print how often as fast as its anchor something is, and keep it for the table of claims."""
    aim = "" if goal is None else f", aim {goal:g}"
    print(f"{what:48s} {found} times {anchor}{aim}{', ' + note if note else ''}")
    if found.high > STEADY * found.low:
        print("  not steady enough to be claimed: another program took what it wanted; run it once more")
        return
    file = os.environ.get("FACEPORT_BENCH")
    if file:
        row = {"what": what, "anchor": anchor, **asdict(found), "goal": goal, "note": note}
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")
