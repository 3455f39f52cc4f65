"""Write the networks of a model as ONNX files, with all that somebody needs to deploy them right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faceport.api import Model, Network, Verb
from faceport.artifacts.exports import Exporter
from faceport.artifacts.probe import probes
from faceport.artifacts.recipe import versions
from faceport.artifacts.store import Store
from faceport.artifacts.trials import Trials
from faceport.files import begun, disk_errors, file_sha256
from faceport.networks.reference import references
from faceport.networks.sources.addresses import without_secrets
from faceport.networks.weights import checkpoint
from faceport.places import Outputs
from faceport.runs.options import ParityOptions
from faceport.runs.plan import Plan, make_plan
from faceport.study.golden import write_golden

GOLDEN = "golden"


@dataclass(frozen=True)
class ExportOptions(ParityOptions):
    """Options of an export beside its groups."""

    overwrite: bool = False
    out: str = "export"


@dataclass(frozen=True)
class Exported:
    """Files by network, and what must be said beside them."""

    files: Mapping[str, Path]
    notes: tuple[str, ...]


class Export(Verb):
    """Write networks as ONNX files."""

    Options = ExportOptions
    options: ExportOptions

    def act(self, config: Mapping[str, Any]) -> Exported:
        """Export every network; a JSON beside each says how to feed it and holds golden vectors."""
        plan = make_plan(config, self.options)
        model, count, out = plan.model, self.options.parity, Path(self.options.out)
        samples = list(plan.first_questions()) or list(probes(model))
        exporter = Exporter(model, Trials(model, samples, count), Store())
        files = {name: out / f"{name}.onnx" for name in model.networks}
        outputs = Outputs(out, overwrite=self.options.overwrite)
        outputs.check(f"{name}.{suffix}" for name in files for suffix in ("onnx", "json"))
        with disk_errors(out), begun(out / GOLDEN, folder=True) as aside:
            sources = {name: exporter.onnx(network) for name, network in model.networks.items()}
            golden = write_golden(model, references(model), samples, count, aside / GOLDEN)
            for name, file in files.items():
                shutil.copyfile(sources[name], aside / file.name)
                about = _about(plan, model, model.networks[name], aside / file.name, golden)
                (aside / f"{name}.json").write_text(json.dumps(about, indent=2, default=str) + "\n")
            outputs.adopt_all(aside)
        outputs.tidy()
        return Exported(files, tuple(plan.warnings()))

    def show(self, outcome: Exported) -> int:
        """Show which file holds which network."""
        from faceport.verbs.show.terminal import show_notes

        for name, file in outcome.files.items():
            print(f"{name}: {file}")
        show_notes(outcome.notes)
        return 0


def _about(
    plan: Plan, model: Model, network: Network, file: Path, golden: Mapping[str, Any]
) -> dict[str, Any]:
    """Say what goes into a network and comes out, how a picture becomes its input, and how to check that."""
    return {
        "network": network.name,
        "file": file.name,
        "sha256": file_sha256(file),
        "inputs": [asdict(spec) for spec in network.inputs],
        "outputs": [asdict(spec) for spec in network.outputs],
        "preprocessing": dict(network.preprocessing),
        "golden": {
            "folder": GOLDEN,
            "pictures": golden["pictures"],
            "vectors": golden["vectors"][network.name],
        },
        "weights": dict(checkpoint(network).facts()),
        "model": without_secrets(plan.settled()),
        "versions": versions(),
        "notes": plan.warnings(),
    }
