"""What numbers depend on beside the configuration: the machine, versions, weights, compiled networks."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faceport.artifacts.builder import Built
from faceport.artifacts.recipe import versions
from faceport.plugins.index import installed
from faceport.plugins.kinds import kind_of
from faceport.runs import chosen

LIBRARIES = ("faceport", "numpy", "opencv-python", "opencv-python-headless", "torch", "onnx")


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


def version_facts(config: Mapping[str, Any], metrics: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Give the versions of the core, of the libraries under it, and of the plugins that took part."""
    index = installed()
    used = versions(LIBRARIES)
    for kind, name in [*_choices(config), *(("metric", name) for name in metrics or ())]:
        choice = index.get(kind, name)
        if choice:
            plugin = index.plugin(choice.plugin)
            used[plugin.distribution] = plugin.version
    return used


def _choices(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """List everything that a configuration chooses by name, as kind and name."""
    kinds = installed().kinds
    for group, content in config.items():
        kind = kind_of(group)
        if kind not in kinds or not isinstance(content, Mapping):
            continue
        if kinds[kind].many:
            yield from ((kind, str((inner or {}).get(chosen.NAME, key))) for key, inner in content.items())
        elif content.get(chosen.NAME):
            yield kind, str(content[chosen.NAME])


def artifact_facts(built: Built) -> dict[str, Any]:
    """Describe weights, artifacts and parity of each network, under the names that a record has for them."""
    weights, artifacts, parity = {}, {}, {}
    for name, artifact in built.artifacts.items():
        manifest = artifact.manifest
        weights[name] = manifest.get("weights", {})
        parity[name] = manifest.get("parity", {})
        artifacts[name] = {
            "key": artifact.path.name,
            "path": str(artifact.path),
            "created": manifest.get("created"),
            "bytes": sum(manifest.get("files", {}).values()),
            "versions": manifest.get("versions", {}),
            "runs_as": dict(built.sessions[name].facts),
        }
    return {"weights": weights, "artifacts": artifacts, "parity": parity}


def surroundings(config: Mapping[str, Any], metrics: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Give what every record says of where it was made."""
    return {
        "faceport": version("faceport"),
        "host": host_facts(),
        "versions": version_facts(config, metrics),
    }
