"""What is handed over of a record: parameters, metrics, tags, files."""

from __future__ import annotations

import math
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import strptime
from typing import Any

from faceport.data.predictions import FILE as PREDICTIONS
from faceport.files import digest
from faceport.plugins.yamls import dotted
from faceport.runs.records import Run
from faceport.verbs.show.quantities import numbers_of

LEFT_OUT = ("out", "record", "fresh", "published")  # options that say nothing of a result
NAME = ".name"  # of what was chosen: it stands for its group
MOST_LETTERS = 500  # of a parameter, as MLflow allows


@dataclass(frozen=True)
class Entry:
    """A record as other tools take it."""

    key: str  # hash of the record: it is handed over once
    name: str
    done: bool
    written: float | None  # seconds since the epoch
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    files: Sequence[Path]


def entry_of(run: Run, predictions: bool = True) -> Entry:
    """Gather what is handed over of a record."""
    record = run.record
    options = {key: value for key, value in record.config.items() if key not in LEFT_OUT}
    numbers = {key: one.value for key, one in numbers_of(record).items() if math.isfinite(one.value)}
    key = digest(record.plain())
    beside = run.folder / PREDICTIONS
    tags = {
        "faceport.record": key,
        "faceport.verb": record.verb,
        "faceport.status": record.status,
        "faceport.reason": record.reason,
        "faceport.version": record.faceport,
        **{f"host.{name}": str(value) for name, value in record.host.items()},
        **{f"version.{name}": value for name, value in record.versions.items()},
        **{f"weights.{name}": str(one.get("sha256", "")) for name, one in record.weights.items()},
    }
    return Entry(
        key=key,
        name=run.folder.name,
        done=run.scored,
        written=_seconds(record.written),
        parameters={
            name.removesuffix(NAME): _text(value) for name, value in dotted(options) if value is not None
        },
        metrics=numbers,
        tags={name: value[:MOST_LETTERS] for name, value in tags.items() if value},
        files=[run.path, *([beside] if predictions and beside.is_file() else [])],
    )


def _text(value: Any) -> str:
    return str(value)[:MOST_LETTERS]


def _seconds(written: str) -> float | None:
    """Read the time that a record was written at."""
    try:
        when = strptime(written, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None
    return float(timegm(when) - (when.tm_gmtoff or 0))
