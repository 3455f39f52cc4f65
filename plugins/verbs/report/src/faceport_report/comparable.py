"""Which runs a number may be compared among, and which of them is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from faceport.runs.record import Record
from faceport.runs.records import Run
from faceport.verbs.show.quantities import COSTS, Number, means_nothing

ASKED = ("scenario", "subject")  # how queries come: costs depend on it
LOAD = (*ASKED, "workers", "batch_size")  # on which the time that one picture spends in a run depends, too


def basis(record: Record, key: str) -> str:
    """Say what a number may be compared on: data and protocol; machine and load, too, where it is a cost."""
    metric = key.partition(".")[0]
    if metric == "size":
        return ""
    said: list[Any] = [record.config.get(part) for part in ("dataset", "limit", "part")]
    said.append(record.data)
    if metric in COSTS:
        asked = LOAD if metric == "latency" and record.verb == "run" else ASKED
        load = {name: value for name, value in record.timing.loaded.items() if name in asked}
        return repr([*said, record.host, load])
    return repr([*said, record.metrics.get(metric, {}).get("protocol")])


def comparable(one: Record, other: Record, key: str) -> bool:
    """Tell whether two records have a number of the same pictures by the same protocol."""
    return basis(one, key) == basis(other, key)


def bests(runs: Sequence[Run], tables: Sequence[Mapping[str, Number]], key: str) -> set[int]:
    """Find the rows that are best of all that they may be compared with; finished runs only."""
    groups: dict[str, list[int]] = {}
    for at, run in enumerate(runs):
        if run.scored and key in tables[at] and not means_nothing(run.record, key.partition(".")[0]):
            groups.setdefault(basis(run.record, key), []).append(at)
    best = set()
    for rows in groups.values():
        rows.sort(key=lambda at: -tables[at][key].sign * tables[at][key].value)
        values = [tables[at][key].value for at in rows]
        if tables[rows[0]][key].sign and len(values) > 1 and values[0] != values[1]:
            best.add(rows[0])
    return best
