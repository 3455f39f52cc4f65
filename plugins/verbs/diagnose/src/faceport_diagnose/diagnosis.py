"""What a diagnosis brought, as a value, a table and a picture."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from faceport.study.diagnose import NodeReport


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Every node of every network, and the first of each that departs from the reference."""

    reports: Sequence[NodeReport]
    first: Mapping[str, NodeReport | None]  # by network
    precision: str
    files: Sequence[Path]
    notes: Sequence[str]


def table(reports: Sequence[NodeReport]) -> str:
    """Write the reports as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [item.name for item in fields(NodeReport)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(report) for report in reports)
    return text.getvalue()


def numbers(reports: Sequence[NodeReport], first: Mapping[str, NodeReport | None]) -> dict[str, Any]:
    """Give what a record holds of a diagnosis: the worst, and every node of every network in its order."""
    networks: dict[str, list[dict[str, Any]]] = {}
    for one in reports:
        said = {
            "node": one.node,
            "op": one.op,
            "own": _finite(one.introduced),
            "so_far": _finite(one.accumulated),
            "at_end": _finite(one.caused),
        }
        networks.setdefault(one.network, []).append(said)
    return {
        "worst_at_end": max((_finite(one.caused) or 0.0 for one in reports), default=0.0),
        "departing": float(sum(one is not None for one in first.values())),
        "networks": networks,
        "departs_at": {name: one.node for name, one in first.items() if one is not None},
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def draw(reports: Sequence[NodeReport], path: Path) -> bool:
    """Draw own and accumulated error along each network; tell whether matplotlib is there to do it."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    networks = list(dict.fromkeys(report.network for report in reports))
    figure = Figure(figsize=(12, 3.2 * len(networks)), layout="constrained")
    for row, network in enumerate(networks):
        own = [report for report in reports if report.network == network]
        axes = figure.add_subplot(len(networks), 1, row + 1)
        axes.bar(range(len(own)), [r.introduced or 0 for r in own], color="#1b7f6b", label="introduced")
        axes.plot([r.accumulated for r in own], color="#c2571a", label="accumulated")
        axes.set_yscale("symlog", linthresh=1e-6)
        axes.set_ylim(bottom=0)
        axes.set_title(network)
        axes.set_xlabel("node, in the order of computation")
        axes.set_ylabel("noise / signal")
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return True
