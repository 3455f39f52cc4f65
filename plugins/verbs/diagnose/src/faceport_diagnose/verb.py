"""Tell which node of a network a target gets wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceport.api import Verb
from faceport.artifacts.builder import require_usable
from faceport.errors import FaceportError
from faceport.files import write_atomically
from faceport.plugins.index import installed
from faceport.progress import progress
from faceport.runs.options import CalibratedOptions
from faceport.runs.plan import make_plan
from faceport.study.diagnose import NodeReport, departs, examine
from faceport_diagnose.diagnosis import Diagnosis, draw, table

TABLE, PICTURE = "nodes.csv", "nodes.png"


@dataclass(frozen=True)
class DiagnoseOptions(CalibratedOptions):
    """Options beside the groups."""

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
        precision = plan.target.precision
        reports: list[NodeReport] = []
        first: dict[str, NodeReport | None] = {}
        with progress("diagnosing", len(plan.model.networks)) as shown:
            for name, nodes in shown.over(examine(plan.model, builder)):
                first[name] = departs(nodes, precision)
                reports += nodes
        out = Path(self.options.out)
        write_atomically(out / TABLE, table(reports))
        files = [out / TABLE, *([out / PICTURE] if draw(reports, out / PICTURE) else [])]
        return Diagnosis(reports, first, precision, files, plan.warnings())

    def show(self, outcome: Diagnosis) -> int:
        """Show the worst nodes as a table."""
        from faceport_diagnose.show import show_diagnosis

        show_diagnosis(outcome)
        return 0


def require_nodes(target_name: str) -> None:
    """Refuse a target that runs modules: it has no ONNX nodes to compare."""
    if installed().find("target", target_name).card.get("reads") == "module":
        raise FaceportError(
            f"target={target_name} runs the module itself, not its ONNX nodes: diagnose a target that reads "
            "ONNX"
        )
