"""Numbers that somebody published, beside those that are measured: data of an experiment, not ours.

`published:` of an experiment holds `source`, `note`, and `rows`. Each of these has `match` (options of a run,
dotted as they are typed), `numbers` (METRIC.NUMBER: as it was printed, with the k, M, G or % behind it) and,
where it needs them, `where` and `note`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faceport.errors import ConfigError
from faceport.runs.chosen import NAME

UNITS = {"": 1.0, "%": 0.01, "k": 1e3, "M": 1e6, "G": 1e9}
_PRINTED = re.compile(r"\s*(-?\d+(?:\.(\d+))?)\s*([kMG%]?)\s*")


@dataclass(frozen=True)
class Printed:
    """A number as it was published."""

    text: str
    value: float
    half: float  # half a unit of its last digit

    def agrees(self, measured: float, within: float = 0.0) -> bool:
        """Tell whether a measured number would be printed alike, or is within a share of it."""
        return abs(measured - self.value) <= max(self.half * 1.000001, within * abs(self.value))

    def verdict(self, measured: float | None) -> str:
        """Say how a measured number stands to it."""
        if measured is None:
            return "not measured"
        if self.agrees(measured):
            return "the same"
        if not self.value:
            return ""
        ratio = measured / self.value
        return f"{ratio - 1:+.2%}" if 0.5 < ratio < 2 else f"{ratio:.3g} times that"


@dataclass(frozen=True)
class Published:
    """What was published of one configuration."""

    numbers: Mapping[str, Printed]
    where: str = ""  # on what machine or data, where that matters
    source: str = ""
    note: str = ""  # how its definitions differ from ours


def printed(text: Any, where: str) -> Printed:
    """Read a number as it was printed."""
    match = _PRINTED.fullmatch(str(text))
    if not match:
        raise ConfigError(f"{where}: '{text}' is no number as it was printed, e.g. 27.294M or 94.33%")
    unit = UNITS[match[3]]
    return Printed(str(text).strip(), float(match[1]) * unit, unit * 0.5 * 10 ** -len(match[2] or ""))


def published_of(config: Mapping[str, Any]) -> list[Published]:
    """List what was published of a configuration, as its experiment says; nothing where it says nothing."""
    content = config.get("published")
    if not content:
        return []
    if not isinstance(content, Mapping) or not isinstance(content.get("rows"), Sequence):
        raise ConfigError("published: of an experiment must hold source, note and rows")
    rows = []
    for number, row in enumerate(content["rows"], 1):
        where = f"published.rows, number {number}"
        if not isinstance(row, Mapping) or not {"match", "numbers"} <= {*row}:
            raise ConfigError(f"{where} must hold match and numbers")
        if all(str(option(config, key)) == str(value) for key, value in row["match"].items()):
            numbers = {str(key): printed(value, f"{where}: {key}") for key, value in row["numbers"].items()}
            texts = (str(row.get(key) or content.get(key) or "") for key in ("where", "source", "note"))
            rows.append(Published(numbers, *texts))
    return rows


def option(config: Mapping[str, Any], key: str) -> Any:
    """Find an option by its dotted name; a group is the name that was chosen."""
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value.get(NAME) if isinstance(value, Mapping) else value
