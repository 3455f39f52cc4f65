"""What the numbers of metrics mean, as the cards of metrics and verbs say it; no code of theirs is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from faceport.plugins.index import installed

BETTER = ("higher", "lower")
ARROWS = {"higher": "↑", "lower": "↓", "": ""}
ROUNDING = 1e-12  # less is of the arithmetic, not of the pictures
MOST_COLUMNS = 6  # of a metric whose card names none


@dataclass(frozen=True)
class Meaning:
    """What a card says of a number."""

    better: str = ""  # "higher", "lower"; empty: unknown, or neither
    unit: str = ""
    column: bool = False  # it has one in the table of a sweep


def meaning(metric: str, number: str) -> Meaning:
    """Look up what a number of a metric means: the first pattern that fits its name counts."""
    for pattern, about in _patterns(metric).items():
        if fnmatchcase(number, pattern):
            return Meaning(**about)
    return Meaning()


def _patterns(metric: str) -> Mapping[str, Any]:
    index = installed()
    choice = index.get("metric", metric)
    if choice:
        return choice.card.get("numbers") or {}
    brought = (verb.card.get("brings") or {} for verb in index.choices("verb").values())
    return next((one[metric] for one in brought if metric in one), {})


def headline(metric: str, values: Mapping[str, Any]) -> dict[str, float]:
    """Pick the numbers of a metric that compare one run with another: those of its card, else the first."""
    floats = {name: value for name, value in values.items() if isinstance(value, float)}
    named = {name: value for name, value in floats.items() if meaning(metric, name).column}
    return named or dict([*floats.items()][:MOST_COLUMNS])


def interval_of(values: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """Give the 95 % interval of a number, where the metric computed one."""
    interval = (values.get("interval") or {}).get(name)
    if not interval or None in interval:
        return None
    low, high = interval
    return float(low), float(high)


def is_number(value: Any) -> bool:
    """Tell numbers from texts, tables and flags."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: float) -> str:
    """Write a number as short as it can be told apart: shares with four digits, larger ones with fewer."""
    if isinstance(value, int):
        return str(value)
    size = abs(value)
    if 0 < size < 1e-3:
        return f"{value:.3g}"
    return f"{value:.{4 if size <= 1 else 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0}f}"


def large(value: float) -> str:
    """Write a number as tables of work do: millions and thousands of millions by M and G."""
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.6g}{unit}"
    return number(value)


def interval_text(interval: tuple[float, float] | None) -> str:
    """Write an interval as its ends."""
    return f"{number(interval[0])} to {number(interval[1])}" if interval else ""


def with_interval(value: float, interval: tuple[float, float] | None) -> str:
    """Write a number with half of its interval beside it."""
    if interval is None:
        return number(value)
    half = (interval[1] - interval[0]) / 2
    return f"{number(value)} ±{0 if half < ROUNDING else half:.2g}"
