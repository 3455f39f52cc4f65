"""What differs between two records: configuration, weights, data, versions, machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faceport.runs.record import Record
from faceport_report.settings import flat, typed

PLACES = ("model.weights", "detector.weights")  # where weights lie


@dataclass(frozen=True)
class Change:
    """One thing that is not the same."""

    part: str  # configuration, weights, data, versions, machine
    key: str
    before: str  # empty: it is not there
    after: str


def changes(one: Record, other: Record) -> list[Change]:
    """List what differs, what was chosen first."""
    parts: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        "configuration": (flat(one.config), flat(other.config)),
        "settled": (flat(one.settled), flat(other.settled)),
        "weights": (flat(one.weights), flat(other.weights)),
        "data": (flat(one.data), flat(other.data)),
        "runs as": (_runs_as(one), _runs_as(other)),
        "versions": (flat(one.versions), flat(other.versions)),
        "machine": (flat(one.host), flat(other.host)),
        "load": (flat(one.timing.loaded), flat(other.timing.loaded)),
    }
    found = []
    said: set[tuple[str, str]] = set()
    moved = _only_moved(one, other)
    for part, (before, after) in parts.items():
        for key in dict.fromkeys([*before, *after]):
            if moved and (part == "weights" or key in PLACES):
                continue
            old, new = _text(before, key), _text(after, key)
            if old != new and not (part == "settled" and (old, new) in said):
                found.append(Change(part, key, old, new))
                said.add((old, new))
    return found


def _only_moved(one: Record, other: Record) -> bool:
    """Tell whether the weights are the same files, by their hashes, wherever they lay."""
    before, after = (
        {name: item.get("sha256") for name, item in record.weights.items()} for record in (one, other)
    )
    return before == after and bool(before) and all(before.values())


def _text(values: Mapping[str, Any], key: str) -> str:
    return typed(values[key]) if key in values else ""


def _runs_as(record: Record) -> dict[str, str]:
    return {
        f"{name}.{key}": str(value)
        for name, one in record.artifacts.items()
        for key, value in (one.get("runs_as") or {}).items()
    }
