"""Durations in histograms of constant size: percentiles to one per cent; those of shards can be added."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from faceport.engine.watch import Watch

STEP = math.log(1.01)  # neighbouring buckets differ by one per cent
SCALE = 1 / STEP
SHORTEST = 1e-7  # seconds
DRAW = "draw"  # a stage that is over before any clock runs, and counts nowhere else
# Two stages that are all others together. A loaded engine has several pictures at once, so they differ:
SERVICE = "service_time"  # a picture's own stages and the runs that its rows were in, added up
IN_ENGINE = "time_in_engine"  # from asking for a picture to its faces: waiting for other pictures included
# A percentile is told from so many durations on: ten lie beyond the median then, five beyond the others.
PERCENTILES = {0.5: 20, 0.9: 50, 0.99: 500}


class Histogram:
    """Count durations in buckets that grow by one per cent."""

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()
        self.count = 0
        self.items = 0
        self.total = 0.0  # seconds

    def add(self, seconds: float, items: int = 1) -> None:
        """Count one duration in which so many items were done."""
        self.buckets[int(math.log(max(seconds, SHORTEST) / SHORTEST) * SCALE)] += 1
        self.count += 1
        self.items += items
        self.total += seconds

    def merge(self, summary: Mapping[str, Any]) -> None:
        """Count what another histogram counted, given as its summary."""
        self.buckets.update({int(bucket): int(number) for bucket, number in summary["buckets"].items()})
        self.count += int(summary["count"])
        self.items += int(summary["items"])
        self.total += float(summary["total_s"])

    def percentile(self, share: float) -> float:
        """Find the duration, in seconds, below which the given share (0..1) of them lies."""
        left = share * self.count
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return SHORTEST * math.exp((bucket + 0.5) * STEP)
        return 0.0

    def summary(self) -> dict[str, Any]:
        """Give count, items, total seconds, milliseconds per run as mean and percentiles, and the buckets.

        A percentile is None where there are too few durations for it.
        """
        return {
            "count": self.count,
            "items": self.items,
            "total_s": round(self.total, 6),
            "mean_ms": round(1e3 * self.total / max(self.count, 1), 4),
            **{
                f"p{round(100 * share)}_ms": round(1e3 * self.percentile(share), 4)
                if self.count >= least
                else None
                for share, least in PERCENTILES.items()
            },
            "buckets": {str(bucket): self.buckets[bucket] for bucket in sorted(self.buckets)},
        }


class Stages(Watch):
    """Histograms by stage, filled from several threads; the first samples, which warm up, are left out."""

    def __init__(self, warm_up: int = 0) -> None:
        self._cold = warm_up  # samples still to be left out
        self._lock = threading.Lock()
        self._stages: dict[str, Histogram] = {}

    def batch(self, network: str, seconds: float, rows: int) -> None:
        """Count a run of a network."""
        if not self._cold:
            self.add(f"network:{network}", seconds, rows)

    def sample(self, name: str, stages: Sequence[tuple[str, float]]) -> None:
        """Count the stages that a sample went through, in one turn."""
        with self._lock:
            if self._cold:
                self._cold -= 1
                return
            for stage, seconds in stages:
                self._of(stage).add(seconds)

    def add(self, stage: str, seconds: float, items: int = 1) -> None:
        """Count one duration of a stage."""
        with self._lock:
            self._of(stage).add(seconds, items)

    def _of(self, stage: str) -> Histogram:
        histogram = self._stages.get(stage)
        if histogram is None:
            histogram = self._stages[stage] = Histogram()
        return histogram

    def summary(self) -> dict[str, dict[str, Any]]:
        """Summarise every stage."""
        return {name: histogram.summary() for name, histogram in sorted(self._stages.items())}


def merge_stages(summaries: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Add the histograms of several runs, stage by stage."""
    merged: dict[str, Histogram] = {}
    for summary in summaries:
        for stage, values in summary.items():
            merged.setdefault(stage, Histogram()).merge(values)
    return {name: histogram.summary() for name, histogram in sorted(merged.items())}
