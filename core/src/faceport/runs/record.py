"""The record of a run: one JSON file that holds the numbers and everything that they depend on."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faceport.artifacts.builder import Built
from faceport.artifacts.recipe import versions
from faceport.errors import FaceportError
from faceport.files import write_atomically
from faceport.ops.plain import plain
from faceport.plugins.index import KINDS, installed
from faceport.runs.plan import Plan

FILE = "record.json"
FORMAT = 1


def host_facts() -> dict[str, Any]:
    """Describe this machine."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def version_facts(config: Mapping[str, Any]) -> dict[str, str]:
    """Give the versions of the core, of the libraries under it, and of the plugins that a run used."""
    index = installed()
    used = dict(versions("faceport", "numpy", "opencv-python", "opencv-python-headless", "torch", "onnx"))
    chosen = [("model", config.get("detector")), *((kind, config.get(kind)) for kind in KINDS[:3])]
    names = [(kind, group["name"]) for kind, group in chosen if group]
    for kind, name in [*names, *(("metric", name) for name in config.get("metric") or ())]:
        choice = index.choices(kind).get(name)
        if choice:
            plugin = index.plugin(choice.plugin)
            used[plugin.distribution] = plugin.version
    return used


def artifact_facts(built: Built) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Describe weights, artifacts and parity of each network."""
    weights, artifacts, parity = {}, {}, {}
    for name, artifact in built.artifacts.items():
        manifest = artifact.manifest
        weights[name] = manifest.get("weights", {})
        parity[name] = manifest.get("parity", {})
        artifacts[name] = {
            "key": artifact.path.name,
            "path": str(artifact.path),
            "created": manifest.get("created"),
            "versions": manifest.get("versions", {}),
            "runs_as": dict(built.sessions[name].facts),
        }
    return weights, artifacts, parity


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write a record."""
    written = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    text = json.dumps(plain({"format": FORMAT, "written": written, **content}), indent=2, default=str)
    write_atomically(path, text + "\n")


def read_record(path: Path) -> dict[str, Any] | None:
    """Read a record; None where there is none or it is damaged."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        return None
    except OSError as error:
        raise FaceportError(f"cannot read the record {path}: {error.strerror}") from error
    return content if isinstance(content, dict) else None


def finish(record: dict[str, Any], plan: Plan, folder: Path) -> None:
    """Complete a record with what surrounds its numbers, and write it."""
    record |= {
        "status": "done",
        "faceport": version("faceport"),
        "config": plan.config,
        "settled": plan.settled(),
        "data": dict(plan.dataset.facts()) if plan.dataset is not None else {},
        "host": host_facts(),
        "versions": version_facts(plan.config),
        "notes": plan.warnings(),
    }
    write_record(folder / FILE, record)
    if plan.options.record:
        write_record(Path(plan.options.record), record)
