"""What is to be made better: numbers of records, and which direction that is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from faceport.errors import ConfigError
from faceport.plugins.index import installed
from faceport.runs.record import Record
from faceport.verbs.show.numbers import meaning
from faceport.verbs.show.quantities import numbers_of, promised

DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {"higher": "maximize", "lower": "minimize"}
OF_EVERY_RUN = {"latency.mean_ms": "lower", "speed.per_second": "higher", "size.mb": "lower"}


@dataclass(frozen=True)
class Objective:
    """A number and which direction of it is better."""

    key: str  # METRIC.NUMBER
    better: str  # higher | lower

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Call the direction as Optuna does."""
        return DIRECTIONS[self.better]


def objectives_of(keys: Sequence[str]) -> list[Objective]:
    """Look directions up on the cards, or say what is wrong."""
    if not keys:
        raise ConfigError(
            "a search must be told what to make better: objective=METRIC.NUMBER, as in "
            "objective=widerface_ap.hard,latency.p50_ms"
        )
    if len(set(keys)) < len(keys):
        raise ConfigError(f"objective={','.join(keys)} names one number twice")
    return [Objective(key, _better(key)) for key in keys]


def _better(key: str) -> str:
    metric, dot, number = key.partition(".")
    if not (metric and dot and number):
        raise ConfigError(f"objective={key}: write METRIC.NUMBER, as in objective=widerface_ap.hard")
    if key in OF_EVERY_RUN:
        return OF_EVERY_RUN[key]
    named = promised().get(key)
    if named is None and metric not in brought():
        installed().find("metric", metric)  # or the sentence that says which there are
    better = named.better if named else meaning(metric, number).better
    if better not in DIRECTIONS:
        raise ConfigError(
            f"objective={key}: the card of '{metric}' does not say whether higher or lower is better"
        )
    return better


def brought() -> set[str]:
    """List the groups of numbers that faceport bench brings; empty where it is not installed."""
    bench = installed().choices("verb").get("bench")
    return {*(bench.card.get("brings") or {})} if bench else set()


def measured_by(objectives: Sequence[Objective]) -> str:
    """Name the verb that measures everything that is asked for."""
    return "bench" if {one.key.partition(".")[0] for one in objectives} & brought() else "run"


def values_of(record: Record, objectives: Sequence[Objective]) -> list[float]:
    """Read the objectives from a record, or say which it lacks."""
    found = numbers_of(record)
    if record.status != "done":
        raise ConfigError(f"{record.status}: {record.reason}")
    for one in objectives:
        if one.key not in found or not math.isfinite(found[one.key].value):
            raise ConfigError(f"its record has no {one.key}: {_why(one.key, found)}")
    return [found[one.key].value for one in objectives]


def _why(key: str, found: Mapping[str, object]) -> str:
    metric, _, name = key.partition(".")
    own = [name for name in found if name.startswith(f"{metric}.")]
    if not own:
        return f"choose what measures it, e.g. metric={metric}"
    cure = "; percentiles come of enough pictures: raise limit=" if re.match(r"p\d", name) else ""
    return f"there are {', '.join(own)}{cure}"
