"""The error by node of diagnoses, as the page draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from faceport.runs.records import Run
from faceport_report.settings import flat, labels

VERB = "diagnose"  # that makes such records
MOST_PLOTS = 8
MOST_NODES = 1500  # of a network
MOST_LETTERS = 120  # of a name


def apart(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Tell runs from diagnoses; where there are diagnoses alone, they are the runs too."""
    diagnoses = [run for run in runs if run.record.verb == VERB]
    others = [run for run in runs if run.record.verb != VERB]
    return others or diagnoses, diagnoses


def nodes_of(diagnoses: Sequence[Run]) -> list[dict[str, Any]]:
    """List every network that was diagnosed, with its nodes in the order of computation."""
    names = labels([flat(run.record.config) for run in diagnoses]) if diagnoses else []
    found = []
    for name, run in zip(names, diagnoses, strict=True):
        values = run.record.metrics.get("nodes", {})
        networks = values.get("networks")
        for network, nodes in (networks if isinstance(networks, Mapping) else {}).items():
            some = [one for one in nodes if isinstance(one, Mapping)][:MOST_NODES]
            found.append(
                {
                    "title": f"{name}: {network}",
                    "departs": str((values.get("departs_at") or {}).get(network, "")),
                    "names": [f"{one.get('node')} ({one.get('op')})"[:MOST_LETTERS] for one in some],
                    **{key: [_number(one.get(key)) for one in some] for key in ("own", "so_far", "at_end")},
                }
            )
    return found[:MOST_PLOTS]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
