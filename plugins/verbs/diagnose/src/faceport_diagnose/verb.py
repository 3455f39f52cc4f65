"""Tell which node of a network a target gets wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceport.api import Verb
from faceport.artifacts.builder import require_usable
from faceport.errors import FaceportError
from faceport.files import begun, disk_errors, expand
from faceport.places import Outputs
from faceport.plugins.index import installed
from faceport.progress import progress
from faceport.runs.options import CalibratedOptions
from faceport.runs.plan import Plan, make_plan
from faceport.runs.provenance import surroundings
from faceport.runs.record import FILE, Record
from faceport.study.diagnose import NodeReport, departs, examine
from faceport_diagnose.diagnosis import Diagnosis, draw, numbers, table

TABLE, PICTURE = "nodes.csv", "nodes.png"
OUTPUTS = (TABLE, PICTURE, FILE)


@dataclass(frozen=True)
class DiagnoseOptions(CalibratedOptions):
    """Options beside the groups."""

    overwrite: bool = False
    out: str = "diagnosis"


class Diagnose(Verb):
    """Tell which node of a network a target gets wrong."""

    Options = DiagnoseOptions
    options: DiagnoseOptions

    def act(self, config: Mapping[str, Any]) -> Diagnosis:
        """Examine every network of a model; write a table and, where matplotlib is, a picture."""
        plan = make_plan(config, self.options)
        require_nodes(plan.target_name)
        require_usable(plan.target, plan.target_name)
        builder = plan.builder(plan.first_questions())
        precision, out = plan.target.precision, expand(self.options.out)
        outputs = Outputs(out, overwrite=self.options.overwrite)
        outputs.check(OUTPUTS)
        reports: list[NodeReport] = []
        first: dict[str, NodeReport | None] = {}
        with progress("diagnosing", len(plan.model.networks)) as shown:
            for name, nodes in shown.over(examine(plan.model, builder)):
                first[name] = departs(nodes, precision)
                reports += nodes
        files = [out / TABLE]
        outputs.write(TABLE, table(reports).encode())
        with disk_errors(out), begun(out / PICTURE) as picture:
            if draw(reports, picture):
                outputs.adopt(picture, PICTURE)
                files.append(out / PICTURE)
        with disk_errors(out), begun(out / FILE) as record:
            _record(plan, config, reports, first, out).write(record)
            outputs.adopt(record, FILE)
        files.append(out / FILE)
        return Diagnosis(reports, first, precision, files, plan.warnings())

    def show(self, outcome: Diagnosis) -> int:
        """Show the worst nodes as a table."""
        from faceport_diagnose.show import show_diagnosis

        show_diagnosis(outcome)
        return 0


def _record(
    plan: Plan,
    config: Mapping[str, Any],
    reports: Sequence[NodeReport],
    first: Mapping[str, NodeReport | None],
    out: Path,
) -> Record:
    """Make the record of a diagnosis, which reports put beside runs."""
    return Record(
        "done",
        plan.config,
        verb="diagnose",
        folder=str(out),
        metrics={"nodes": numbers(reports, first)},
        data=dict(plan.dataset.facts()) if config.get("dataset") else {},
        notes=plan.warnings(),
        **surroundings(config),
    )


def require_nodes(target_name: str) -> None:
    """Refuse a target that runs modules: it has no ONNX nodes to compare."""
    if installed().find("target", target_name).card.get("reads") == "module":
        raise FaceportError(
            f"target={target_name} runs the module itself, not its ONNX nodes: diagnose a target that reads "
            "ONNX"
        )
