"""What came out for one subject, as the numbers that a record holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faceport.engine.timing import Histogram
from faceport_bench.interleaved import Measured, Ratio
from faceport_bench.machine import Spent
from faceport_bench.statistics import Interval, mean_interval, percentiles
from faceport_bench.system import PIPELINE, Answer


@dataclass(frozen=True)
class Result:
    """What was measured of one subject of one variant."""

    subject: str
    rows: int  # pictures, or rows of a network, in one item
    measured: Measured
    spent: Spent
    reasons: Sequence[str]  # why it is INVALID
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ratio: Ratio | None = None  # to the baseline, for one row

    @property
    def answers(self) -> list[Answer]:
        """All answers that count."""
        outcome = self.measured.outcome
        return [answer for trial in outcome.trials for answer in trial.answers] if outcome else []

    @property
    def seconds(self) -> float:
        """How long it was measured."""
        outcome = self.measured.outcome
        return sum(trial.seconds for trial in outcome.trials) if outcome else 0.0

    @property
    def counted(self) -> int:
        """Pictures, or rows, that were answered."""
        return self.rows * sum(answer.items for answer in self.answers)

    @property
    def per_second(self) -> float:
        """Rows a second; of queries by a clock, the rate that was held."""
        outcome = self.measured.outcome
        if outcome and outcome.paced:
            return outcome.numbers.get("rate_per_second", 0.0) * self.rows
        return self.counted / self.seconds if self.seconds else 0.0

    def numbers(self) -> dict[str, Any]:
        """Give latency, throughput, the scenario's own numbers and the ratio, with intervals."""
        outcome = self.measured.outcome
        durations = [answer.latency for answer in self.answers]
        if not outcome or not durations:
            return {}
        values, spreads = percentiles(durations)
        intervals: dict[str, Interval] = {f"{name}_ms": _scaled(one, 1e3) for name, one in spreads.items()}
        numbers = {"mean_ms": 1e3 * sum(durations) / len(durations)}
        numbers |= {f"{name}_ms": 1e3 * value for name, value in values.items()}
        if self.subject != PIPELINE:
            numbers["ms_each"] = numbers["mean_ms"] / self.rows
        if outcome.paced:
            numbers |= outcome.numbers
            intervals |= outcome.intervals
        else:
            numbers |= {"per_second": self.per_second, **outcome.numbers}
            _, interval = mean_interval([trial.cost for trial in outcome.trials])
            if interval and interval[0] > 0:
                low, high = (self.rows / end for end in interval)
                intervals["per_second"] = (min(low, high), max(low, high))
        if self.ratio:
            numbers["times_baseline"] = self.ratio.times
            if self.ratio.interval:
                intervals["times_baseline"] = self.ratio.interval
        rounded = {name: float(f"{value:.6g}") for name, value in numbers.items()}
        return {
            **rounded,
            "interval": {name: [float(f"{end:.6g}") for end in one] for name, one in intervals.items()},
        }

    def histogram(self) -> Histogram:
        """Give the durations of queries as records hold them."""
        histogram = Histogram()
        for answer in self.answers:
            histogram.add(answer.latency, answer.items * self.rows)
        return histogram

    def cpu(self) -> dict[str, float]:
        """Give processor time beside wall time; what was thrown away in between counts as work, too."""
        total = self.rows * sum(
            answer.items for trial in self.measured.rounds.values() for answer in trial.answers
        )
        if not total or not self.spent.seconds:
            return {}
        return {
            "ms_each": round(1e3 * self.spent.cpu_seconds / total, 4),
            "processors": round(self.spent.cpu_seconds / self.spent.seconds, 3),
        }

    def energy(self) -> dict[str, Any]:
        """Give the energy of one row; it is that of the whole machine meanwhile."""
        joules, counted = sum(self.spent.joules.values()), self.counted
        if not self.spent.joules or not counted or not self.spent.seconds:
            return {}
        return {
            "joules_each": float(f"{joules / counted:.6g}"),
            "watts": round(joules / self.spent.seconds, 2),
            "protocol": f"of the whole machine meanwhile: {', '.join(sorted(self.spent.joules))}",
        }


def _scaled(interval: Interval, by: float) -> Interval:
    return interval[0] * by, interval[1] * by
