"""A decision among runs: what may be shipped within bounds, what is best of it, and by how much."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faceport.errors import ConfigError
from faceport.plugins.index import installed
from faceport.runs.records import Run
from faceport.verbs.show.numbers import number, with_interval
from faceport.verbs.show.quantities import (
    Number,
    is_accuracy,
    known_keys,
    numbers_of,
    promised,
    resolve_or_promised,
)
from faceport_report.comparable import comparable
from faceport_report.settings import flat, labels

_BOUND = re.compile(r"\s*([\w.\-@]+)\s*=\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True)
class Bound:
    """A number that must not lie beyond a value."""

    key: str
    value: float
    most: bool  # the value is the most that it may be; else the least

    def __str__(self) -> str:
        return f"{self.key} {'at most' if self.most else 'at least'} {self.value:g}"


@dataclass(frozen=True)
class Decision:
    """What to ship, and why not the others."""

    best: str  # the number that decides
    bounds: tuple[str, ...]
    winner: int | None  # position among the runs
    runner_up: int | None
    margin: str
    against: tuple[tuple[int, str], ...]  # position, what stood against it
    unmeasured: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Say it in a sentence."""
        if self.winner is None:
            return "None of these runs can be chosen."
        within = " of those within the bounds" if self.bounds else ""
        return f"Ship {self.labels[self.winner]}: best {self.best}{within}."


def bounds_of(text: Any, most: bool, known: Mapping[str, Number]) -> list[Bound]:
    """Read bounds as they are typed: METRIC.NUMBER=VALUE, several with commas or as a list."""
    option = "max" if most else "min"
    if not text:
        return []
    parts = [part for item in (text if isinstance(text, list) else [text]) for part in str(item).split(",")]
    bounds = []
    for part in parts:
        match = _BOUND.fullmatch(part)
        if not match:
            raise ConfigError(f"{option}={part}: write METRIC.NUMBER=VALUE, as in {option}=latency.p50_ms=20")
        bounds.append(Bound(resolve_or_promised(match[1], known, option), float(match[2]), most))
    return bounds


def decide(runs: Sequence[Run], most: Any = None, least: Any = None, best: str | None = None) -> Decision:
    """Choose among runs; without best= by the accuracy that most runs have, without any by latency."""
    tables = [numbers_of(run.record) for run in runs]
    known = known_keys(tables)
    bounds = [*bounds_of(most, True, known), *bounds_of(least, False, known)]
    key = resolve_or_promised(best, known, "best") if best else _usual(tables, known)
    wanted = [bound.key for bound in bounds]
    names = tuple(labels([flat(run.record.config) for run in runs]))
    if not key:
        return Decision("", (), None, None, "", (), ("no record has a number with a direction",), names)
    sign = (known.get(key) or promised()[key]).sign
    if not sign:
        raise ConfigError(
            f"best={key}: nobody says whether higher or lower is better (`numbers` on its metric's card)"
        )
    against = {at: why for at, run in enumerate(runs) if (why := _objection(run, tables[at], bounds, key))}
    left = [at for at in range(len(runs)) if at not in against]
    left.sort(key=lambda at: (-sign * tables[at][key].value, _slowness(tables[at])))
    winner = left[0] if left else None
    strangers = [at for at in left[1:] if not comparable(runs[left[0]].record, runs[at].record, key)]
    against |= dict.fromkeys(strangers, f"{key} is of other data or another protocol: not to be compared")
    rest = [at for at in left[1:] if at not in strangers]
    margin = _margin(key, tables[left[0]][key], tables[rest[0]][key]) if rest else ""
    for at in rest[1:]:
        alike = tables[at][key].value == tables[left[0]][key].value
        against[at] = f"{key} {_shown(tables[at][key])}{', the same, and slower' if alike else ''}"
    return Decision(
        key,
        tuple(map(str, bounds)),
        winner,
        rest[0] if rest else None,
        margin,
        tuple(sorted(against.items())),
        tuple(_unmeasured(runs, tables, winner, known) if left else _unknown([key, *wanted], known)),
        names,
    )


def _usual(tables: Sequence[Mapping[str, Number]], known: Mapping[str, Number]) -> str:
    """Find what decides where nobody says: the accuracy, or else the cost, that most runs have."""
    heads = [key for key, one in known.items() if one.head and one.sign]
    accuracies = [key for key in heads if is_accuracy(key, known[key])]
    return max(
        accuracies or heads, key=lambda key: sum(key in table for table in tables), default=""
    )  # the first of those that are as frequent


def _slowness(table: Mapping[str, Number]) -> float:
    """Give the latency, which decides between equals."""
    return table["latency.mean_ms"].value if "latency.mean_ms" in table else math.inf


def _objection(run: Run, table: Mapping[str, Number], bounds: Sequence[Bound], key: str) -> str:
    """Say what stands against a run; empty where nothing does. What was not measured keeps no bound."""
    if not run.scored:
        return f"{run.record.status}: {run.record.reason}"
    for bound in bounds:
        if bound.key not in table:
            return f"{bound.key} was not measured"
        value = table[bound.key].value
        if (value > bound.value) if bound.most else (value < bound.value):
            beyond = f"{bound.key} is {number(value)}, {'at most' if bound.most else 'at least'}"
            return f"{beyond} {bound.value:g} was asked for"
    if key not in table:
        return f"{key} was not measured"
    if run.record.untrained and is_accuracy(key, table[key]):
        return "its weights are random: its accuracy means nothing"
    return ""


def _margin(key: str, winner: Number, other: Number) -> str:
    """Say by how much one is better, and whether that is more than chance."""
    gap = abs(winner.value - other.value)
    if not gap:
        return f"none: both have {key} {_shown(winner)}; the quicker one is named first"
    share = f" ({gap / abs(other.value):.1%})" if other.value else ""
    text = f"better by {number(gap)}{share}: {key} {_shown(winner)} against {_shown(other)}"
    if not winner.interval or not other.interval:
        return f"{text}; nobody computed intervals, so chance is not ruled out"
    spread = math.hypot(*((one.interval[1] - one.interval[0]) / 2 for one in (winner, other) if one.interval))
    if gap <= spread:
        return f"{text}; that is within chance (95 % interval of the difference ±{spread:.2g}): a tie"
    return f"{text}; 95 % interval of the difference {number(gap - spread)} to {number(gap + spread)}"


def _shown(one: Number) -> str:
    return f"{with_interval(one.value, one.interval)}{'' if one.unit in ('', '/s') else f' {one.unit}'}"


def _unmeasured(
    runs: Sequence[Run],
    tables: Sequence[Mapping[str, Number]],
    winner: int | None,
    known: Mapping[str, Number],
) -> list[str]:
    """List what nobody measured of the winner and what a decision usually asks for."""
    if winner is None:
        return []
    table = tables[winner]
    lacking = []
    if not any(is_accuracy(key, one) for key, one in table.items()):
        lacking.append("accuracy")
    if "latency.p99_ms" not in table and not any(key.endswith("p99_ms") for key in table):
        lacking.append("latency p99 (too few pictures)")
    lacking += [name for name in ("energy", "memory") if not any(name in key for key in table)]
    if runs[winner].record.untrained:
        lacking.append("anything with trained weights: those of this run are random")
    others = [key for key, one in known.items() if one.head and key not in table]
    return lacking + others[:5]


def _unknown(keys: Iterable[str], known: Mapping[str, Number]) -> list[str]:
    """List what no run has although it was asked for, and the verb that measures it."""
    verbs = installed().choices("verb").items()
    lacking = []
    for key in dict.fromkeys(one for one in keys if one not in known):
        by = [name for name, verb in verbs if key.partition(".")[0] in (verb.card.get("brings") or {})]
        lacking.append(f"{key}{f' (faceport {by[0]} measures it, where it can be)' if by else ''}")
    return lacking
