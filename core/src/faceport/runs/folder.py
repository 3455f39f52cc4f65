"""The folder of a run, and whether what lies in it belongs to the run that asks."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faceport.artifacts.recipe import network_recipe
from faceport.artifacts.store import read_entry
from faceport.errors import FaceportError
from faceport.files import digest
from faceport.runs.plan import Plan
from faceport.runs.record import FILE as RECORD
from faceport.runs.record import host_facts, version_facts, write_record

STATE = "fingerprint.txt"


VOLATILE = ("out", "record", "fresh", "official", "strict")  # options that change no number


def run_folder(config: Mapping[str, Any]) -> Path:
    """Choose the folder of a configuration: the same for the same command, so that it can go on."""
    named = [(config.get(kind) or {}).get("name") for kind in ("detector", "model", "target", "dataset")]
    stable = {key: value for key, value in config.items() if key not in VOLATILE}
    return Path(str(config["out"])) / "-".join([*filter(None, named), digest(stable)[:8]])


def fingerprint(plan: Plan) -> str:
    """Hash what predictions depend on beyond the configuration: weights, code, data."""
    assert plan.model is not None and plan.target is not None and plan.dataset is not None
    if plan.bundle:
        folders = [plan.bundle.path / folder for folder in plan.bundle.networks.values()]
        entries = [read_entry(folder, "artifact") for folder in folders]
        networks: Any = [entry.manifest.get("recipe") for entry in entries if entry]
    else:
        networks = [network_recipe(network, plan.model) for network in plan.model.networks.values()]
    return digest([version("faceport"), networks, version_facts(plan.config), dict(plan.dataset.facts())])


def record_failure(config: Mapping[str, Any], error: BaseException) -> dict[str, Any]:
    """Write the record of a job that failed, with its reason."""
    reason = str(error) if isinstance(error, FaceportError) else f"{type(error).__name__}: {error}"
    record = {
        "status": "failed",
        "reason": reason,
        "config": config,
        "host": host_facts(),
        "versions": version_facts(config),
    }
    folder = run_folder(config)
    write_record(folder / RECORD, record)
    return record | {"folder": str(folder)}
