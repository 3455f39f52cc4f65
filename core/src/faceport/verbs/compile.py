"""Compile the networks of a model for a target, into a folder that can be carried to another machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceport.artifacts.builder import require_usable
from faceport.artifacts.bundle import write_bundle
from faceport.runs.plan import make_plan


def compile_networks(config: Mapping[str, Any]) -> dict[str, Any]:
    """Compile every network and write the bundle."""
    plan = make_plan(config)
    assert plan.model is not None and plan.target is not None
    require_usable(plan.target, plan.target_name)
    builder = plan.builder(plan.first_questions())
    artifacts = {name: builder.artifact(network) for name, network in plan.model.networks.items()}
    settled = {**plan.settled(), "target": config["target"]}
    bundle = write_bundle(Path(plan.options.out), artifacts, settled, plan.warnings())
    return {
        "folder": str(bundle.path),
        "networks": sorted(bundle.networks),
        "parity": {name: artifact.manifest.get("parity", {}) for name, artifact in artifacts.items()},
        "notes": list(bundle.notes),
    }
