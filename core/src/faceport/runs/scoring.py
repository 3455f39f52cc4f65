"""Predictions into numbers: every metric of a plan, over predictions beside their truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from faceport.api import Metric
from faceport.errors import FaceportError
from faceport.runs.oncard import published_notes
from faceport.runs.pairing import Pairing
from faceport.runs.plan import Plan
from faceport.runs.record import Record
from faceport.runs.reference import truths
from faceport.types import Prediction

Read = Callable[[], Iterator[Prediction]]  # the predictions, from the first on


FAILED = "failed"  # in place of a metric's numbers: why there are none


def score(plan: Plan, read: Read, record: Record | None) -> dict[str, Mapping[str, Any]]:
    """Compute the metrics of a plan, and what they say of the record of the run where there is one.

    A metric that cannot be computed says why and costs no other.
    """
    facts = record.plain() if record else {}
    return {name: _numbers(plan, metric, read, facts) for name, metric in plan.metrics.items()}


def _numbers(plan: Plan, metric: Metric, read: Read, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        pairs = Pairing(truths(plan, metric), read())
        return {**metric.compute(pairs), **metric.of_run(facts)}
    except FaceportError as error:
        return {FAILED: str(error)}
    except Exception as error:  # of a plugin
        return {FAILED: f"{type(error).__name__}: {error}"}


def judged(record: Record, allowed: int) -> Record:
    """Call a finished record incomplete where pictures are missing, or a metric gave no number.

    What was published of the model by the same protocol is noted beside the numbers.
    """
    record = replace(record, notes=[*record.notes, *published_notes(record)])
    lacking = record.samples.missing + record.samples.unreadable
    reasons = [
        f"metric {name}: {numbers[FAILED]}" for name, numbers in record.metrics.items() if FAILED in numbers
    ]
    if lacking > allowed:
        reasons.insert(
            0,
            f"{lacking} of {record.samples.total} pictures are missing or cannot be read, so these are not "
            f"the numbers of the dataset. Allow it with missing_allowed={lacking}, or take a part of the "
            "data on purpose (limit=N, part=I/N, or an option of the dataset)",
        )
    return replace(record, status="incomplete", reason="; ".join(reasons)) if reasons else record
