"""Tell which node of a network a target gets wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from faceport.artifacts.builder import require_usable
from faceport.files import write_atomically
from faceport.progress import progress
from faceport.runs.plan import make_plan
from faceport.study.diagnose import NodeReport, departs, examine, require_onnx

TABLE, PICTURE = "nodes.csv", "nodes.png"


def diagnose_model(config: Mapping[str, Any]) -> dict[str, Any]:
    """Examine every network of a model on a target; write a table and, where matplotlib is, a picture."""
    plan = make_plan(config)
    assert plan.model is not None and plan.target is not None
    require_onnx(plan.target_name)
    require_usable(plan.target, plan.target_name)
    builder = plan.builder(plan.first_questions())
    precision = plan.target.precision
    reports: list[NodeReport] = []
    first: dict[str, NodeReport | None] = {}
    with progress("diagnosing", len(plan.model.networks)) as shown:
        for name, found in examine(plan, builder):
            first[name] = departs(found, precision)
            reports += found
            shown.advance()
    out = Path(plan.options.out)
    write_atomically(out / TABLE, table(reports))
    drawn = draw(reports, out / PICTURE)
    return {
        "reports": reports,
        "first": first,
        "precision": precision,
        "files": [str(out / TABLE), *([str(out / PICTURE)] if drawn else [])],
        "notes": plan.warnings(),
    }


def table(reports: Sequence[NodeReport]) -> str:
    """Write the reports as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [item.name for item in fields(NodeReport)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(report) for report in reports)
    return text.getvalue()


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
