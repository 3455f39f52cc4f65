"""The numbers of a record by dotted names: `METRIC.NUMBER`, with unit, direction and interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from faceport.engine.timing import SERVICE
from faceport.errors import ConfigError, suggest
from faceport.plugins.index import installed
from faceport.runs.record import Record, Timing
from faceport.verbs.show.numbers import ARROWS, headline, interval_of, is_number, meaning

# What every record says of speed and size, whatever metrics were chosen.
SPEED, SIZE, TIMES = "speed.per_second", "size.mb", "speed.times_fp32"
LATENCIES = {
    "latency.mean_ms": "mean_ms",
    "latency.p50_ms": "p50_ms",
    "latency.p90_ms": "p90_ms",
    "latency.p99_ms": "p99_ms",
}
COSTS = ("latency", "speed", "size", "energy", "memory", "query", "cpu", "start", "work")  # no accuracies


@dataclass(frozen=True)
class Number:
    """A number and what it means."""

    value: float
    interval: tuple[float, float] | None = None  # 95 %
    better: str = ""  # "higher", "lower"; empty: neither, or unknown
    unit: str = ""
    head: bool = False  # it compares one run with another

    @property
    def sign(self) -> int:
        """Give 1 where higher is better, -1 where lower is, else 0."""
        return {"higher": 1, "lower": -1}.get(self.better, 0)


def numbers_of(record: Record) -> dict[str, Number]:
    """List every number of a record."""
    found = {}
    for metric, values in record.metrics.items():
        heads = headline(metric, values)
        for name, value in values.items():
            if is_number(value):
                sense = meaning(metric, name)
                found[f"{metric}.{name}"] = Number(
                    float(value), _rounded(interval_of(values, name)), sense.better, sense.unit, name in heads
                )
    return {**_costs(record), **found}


def _rounded(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """Take what is a rounding error of the arithmetic out of an interval."""
    return interval and (round(interval[0], 9), round(interval[1], 9))


def _costs(record: Record) -> dict[str, Number]:
    """Give speed and size; latency is the service time of a picture, its own stages added up."""
    costs = {}
    timing = Timing() if record.simulated else record.timing  # an emulator's time is nobody's
    service = timing.stages.get(SERVICE) or {}
    for key, name in LATENCIES.items():
        if service.get(name) is not None:
            costs[key] = Number(float(service[name]), None, "lower", "ms", name in ("mean_ms", "p99_ms"))
    if timing.samples_per_second:
        costs[SPEED] = Number(float(timing.samples_per_second), None, "higher", "/s", True)
    if record.times_as_fast_as_fp32:
        costs[TIMES] = Number(min(record.times_as_fast_as_fp32.values()), None, "higher", "x", True)
    sizes = [artifact["bytes"] for artifact in record.artifacts.values() if "bytes" in artifact]
    if sizes:
        costs[SIZE] = Number(sum(sizes) / 1e6, None, "lower", "MB", True)
    return costs


def title(key: str, number: Number) -> str:
    """Head a column: the name, its unit where the name does not say it, its direction."""
    name = key.partition(".")[2].replace("_", " ")
    if name == number.unit.lower():
        return f"{number.unit}{ARROWS[number.better]}"
    named = not number.unit or name.lower().endswith(number.unit.lower()) or number.unit == "/s"
    return f"{name}{'' if named else f' {number.unit}'}{ARROWS[number.better]}"


def known_keys(tables: Iterable[Mapping[str, Number]]) -> dict[str, Number]:
    """Merge the names of all numbers, each with one example: accuracies first, then costs."""
    merged: dict[str, Number] = {}
    for table in tables:
        for key, number in table.items():
            merged.setdefault(key, number)
    return dict(sorted(merged.items(), key=lambda item: item[0].partition(".")[0] in COSTS))


def resolve(key: str, known: Mapping[str, Number], option: str) -> str:
    """Find the number that a user means: by its name, an end that only one has, or its only headline."""
    names = [*known]
    if found := _named(key, known):
        return found
    ends = [name for name in names if name.endswith(f".{key}")]
    which = f"it could be {' or '.join(ends)}. " if ends else ""
    raise ConfigError(f"{option}={key}: no record has this number. {which}{suggest(key, names)}")


def resolve_or_promised(key: str, known: Mapping[str, Number], option: str) -> str:
    """Find the number that a user means, among those too that cards promise and nobody measured."""
    return _named(key, known) or _named(key, promised()) or resolve(key, known, option)


def _named(key: str, known: Mapping[str, Number]) -> str:
    if key in known:
        return key
    ends = [name for name in known if name.endswith(f".{key}")]
    heads = [name for name, one in known.items() if one.head and name.startswith(f"{key}.")]
    found = ends or heads
    return found[0] if len(found) == 1 else ""


def promised() -> dict[str, Number]:
    """List the numbers that cards name, whether or not a record has them."""
    latencies = {key: Number(math.nan, None, "lower", "ms") for key in LATENCIES}
    index = installed()
    cards = {name: choice.card.get("numbers") or {} for name, choice in index.choices("metric").items()}
    for verb in index.choices("verb").values():
        cards |= verb.card.get("brings") or {}
    return latencies | {
        f"{metric}.{name}": Number(math.nan, None, about.better, about.unit, about.column)
        for metric, numbers in cards.items()
        for name in numbers
        if "*" not in name
        for about in [meaning(metric, name)]
    }


def is_accuracy(key: str, number: Number) -> bool:
    """Tell accuracies from costs: one has a direction and is none of the others."""
    group, _, name = key.partition(".")
    return bool(number.sign) and group not in COSTS and not name.endswith(("_ms", "per_second"))


def means_nothing(record: Record, metric: str) -> bool:
    """Tell whether labels judge weights that are random; of a metric that is not installed, they do."""
    choice = installed().get("metric", metric)
    labels = choice is None or bool(choice.card.get("labels", True))
    return record.untrained and metric not in COSTS and labels
