"""Write the networks of a model as ONNX files, with all that somebody needs to deploy them right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faceport.artifacts.builder import Builder
from faceport.artifacts.probe import probes
from faceport.artifacts.recipe import versions
from faceport.files import disk_errors, file_sha256, write_atomically
from faceport.networks.weights import checkpoint
from faceport.runs.plan import make_plan
from faceport.study.golden import write_golden

GOLDEN = "golden"


def export(config: Mapping[str, Any]) -> dict[str, Any]:
    """Export every network; a JSON beside each says how to feed it and holds golden vectors."""
    plan = make_plan(config)
    model = plan.model
    assert model is not None
    samples = list(plan.first_questions()) or list(probes(model))
    builder = Builder(model, None, "", samples, plan.options.parity)
    out = Path(plan.options.out)
    files = {}
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        sources = {name: builder.onnx(network) for name, network in model.networks.items()}
        golden = write_golden(model, builder.references(), samples, plan.options.parity, out / GOLDEN)
        for name, network in model.networks.items():
            final = out / f"{name}.onnx"
            _copy(sources[name], final)
            about = {
                "network": name,
                "file": final.name,
                "sha256": file_sha256(final),
                "inputs": [asdict(spec) for spec in network.inputs],
                "outputs": [asdict(spec) for spec in network.outputs],
                "preprocessing": dict(network.preprocessing),
                "golden": {
                    "folder": GOLDEN,
                    "pictures": golden["pictures"],
                    "vectors": golden["vectors"][name],
                },
                "weights": dict(checkpoint(network).facts()),
                "model": plan.settled(),
                "versions": versions(),
                "notes": plan.warnings(),
            }
            write_atomically(out / f"{name}.json", json.dumps(about, indent=2, default=str) + "\n")
            files[name] = str(final)
    return {"files": files, "notes": plan.warnings(), "folder": str(out)}


def _copy(source: Path, final: Path) -> None:
    part = final.with_suffix(".part")
    try:
        shutil.copyfile(source, part)
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)
