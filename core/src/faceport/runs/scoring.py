"""Predictions into numbers: every metric of a plan, over predictions beside their truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from faceport.api import Metric
from faceport.runs.pairing import Pairing
from faceport.runs.plan import Plan
from faceport.runs.record import Record
from faceport.runs.reference import truths
from faceport.types import Prediction

Read = Callable[[], Iterator[Prediction]]  # the predictions, from the first on


def score(plan: Plan, read: Read, record: Record | None) -> dict[str, Mapping[str, Any]]:
    """Compute the metrics of a plan, and what they say of the record of the run where there is one."""
    facts = record.plain() if record else {}
    return {
        name: {**metric.compute(_pairs(plan, metric, read)), **metric.of_run(facts)}
        for name, metric in plan.metrics.items()
    }


def _pairs(plan: Plan, metric: Metric, read: Read) -> Pairing:
    return Pairing(truths(plan, metric), read())
