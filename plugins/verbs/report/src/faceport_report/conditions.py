"""Conditions on differences, for CI: METRIC.NUMBER<-0.01."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from faceport.errors import ConfigError
from faceport.verbs.show.quantities import Number, resolve
from faceport_report.paired import Difference

_CONDITION = re.compile(r"\s*([\w.\-@]+)\s*(<|>)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)(%?)\s*")
Rows = Mapping[str, tuple[Number, Difference]]
Test = Callable[[Rows], str]  # gives the sentence where the condition holds, else nothing


def conditions_of(text: Any, known: Mapping[str, Number]) -> list[Test]:
    """Read conditions on differences: METRIC.NUMBER<-0.01, with % as shares of the first run's number."""
    parts = [
        part for item in (text if isinstance(text, list) else [text or ""]) for part in str(item).split(",")
    ]
    made: list[Test] = []
    for part in filter(str.strip, parts):
        match = _CONDITION.fullmatch(part)
        if not match:
            raise ConfigError(
                f"fail_if={part}: write METRIC.NUMBER<VALUE or >VALUE, of the difference between B and A, as "
                "in fail_if='widerface_ap.hard<-0.01' or fail_if='latency.p50_ms>10%'"
            )
        key = resolve(match[1], known, "fail_if")
        made.append(_test(key, match[2], float(match[3]), bool(match[4]), part.strip()))
    return made


def _test(key: str, sign: str, limit: float, relative: bool, text: str) -> Test:
    def failed(rows: Rows) -> str:
        difference = rows[key][1]
        change = difference.change
        if change is None:
            return f"{text}: {key} is in one of the two runs only"
        if relative:
            if not difference.before:
                return f"{text}: {key} was 0, of which there is no share"
            change = 100 * change / abs(difference.before)
        holds = change < limit if sign == "<" else change > limit
        return f"{text}: {key} changed by {change:+.4g}{'%' if relative else ''}" if holds else ""

    return failed
