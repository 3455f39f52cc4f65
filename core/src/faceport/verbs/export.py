"""Write the networks of a model as ONNX files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faceport.build import Builder, versions
from faceport.plan import make_plan
from faceport.store import disk_errors, file_sha256, write_atomically


def export(config: Mapping[str, Any]) -> dict[str, Any]:
    """Export every network of the model; a JSON beside each says what goes in and comes out."""
    plan = make_plan(config)
    assert plan.model is not None
    out = Path(plan.options.out)
    builder = Builder(plan.model, target=None, target_name="")
    files = {}
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, network in plan.model.networks.items():
            source, final = builder.onnx(network), out / f"{name}.onnx"
            part = final.with_suffix(".part")
            try:
                shutil.copyfile(source, part)
                part.replace(final)
            finally:
                part.unlink(missing_ok=True)
            about = {
                "network": name,
                "file": final.name,
                "sha256": file_sha256(final),
                "inputs": [asdict(spec) for spec in network.inputs],
                "outputs": [asdict(spec) for spec in network.outputs],
                "weights": dict(network.checkpoint.facts()),
                "model": config["model"],
                "versions": versions(),
            }
            write_atomically(out / f"{name}.json", json.dumps(about, indent=2, default=str) + "\n")
            files[name] = str(final)
    return {"files": files, "notes": plan.warnings(), "folder": str(out)}
