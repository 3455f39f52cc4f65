"""What an artifact depends on, named: weights, options, code, versions.

One list, asked by the store of artifacts, by runs that go on and by records: what is not in it can change
without anybody noticing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from faceport.api import Model, Network, Target
from faceport.networks.weights import checkpoint
from faceport.plugins.index import installed

MAKERS = ("artifacts", "graph", "networks", "nets", "targets")  # rooms whose code shapes what is compiled
EXPORTERS = ("faceport", "torch", "onnx", "onnxscript")  # distributions that shape an export


def network_recipe(network: Network, model: Model) -> dict[str, Any]:
    """Name everything that the graph and its numbers are made of."""
    weights = checkpoint(network)
    return {
        "name": network.name,
        "weights": weights.sha256 or f"random:{weights.seed}",
        "options": dict(network.options),
        "inputs": [str(spec) for spec in network.inputs],
        "outputs": [str(spec) for spec in network.outputs],
        "code": code_digest(type(_owner(network, model)).__module__),
        "core": core_digest(),
    }


def _owner(network: Network, model: Model) -> Model:
    return next(part for part in model.parts.values() if network.name in part.networks)


def export_recipe(network: Network, model: Model) -> dict[str, Any]:
    """Name everything that an exported network is made of."""
    return {"network": network_recipe(network, model), "exporter": versions(EXPORTERS)}


def target_recipe(target: Target, name: str) -> dict[str, Any]:
    """Name everything that a target brings to what it compiles: its options, code and runtime."""
    module = type(target).__module__
    return {
        "name": name,
        "options": dict(target.recipe()),
        "code": code_digest(module),
        "runtime": versions(required_by(module)),
    }


def model_recipe(model: Model) -> Any:
    """Name everything that decides which calls a model makes, beside its networks."""
    return [
        {
            "class": f"{type(part).__module__}.{type(part).__name__}",
            "options": dataclasses.asdict(part.options),
            "code": code_digest(type(part).__module__),
        }
        for part in model.parts.values()
    ]


@lru_cache(maxsize=64)
def code_digest(module: str) -> str:
    """Hash the source of the package that a module belongs to, or of the one file that it is."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None:
        return ""
    if spec.submodule_search_locations is None:
        return _hash([Path(spec.origin)] if spec.origin else [])
    return _hash(
        file for place in spec.submodule_search_locations for file in sorted(Path(place).rglob("*.py"))
    )


@lru_cache(maxsize=1)
def core_digest() -> str:
    """Hash the rooms of the core that export, edit and compile networks."""
    core = Path(__file__).parents[1]
    return _hash(file for room in MAKERS for file in sorted((core / room).rglob("*.py")))


def _hash(files: Iterable[Path]) -> str:
    hashed = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        hashed.update(f"{file.parent.name}/{file.name} {len(content)} ".encode() + content)
    return hashed.hexdigest()[:16]


def versions(names: Iterable[str] = EXPORTERS) -> dict[str, str]:
    """Read the versions of distributions; what is not installed is left out."""
    installed = {}
    for name in names:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


@lru_cache(maxsize=64)
def required_by(module: str) -> tuple[str, ...]:
    """List the distributions that the distribution of a module may require, extras included."""
    package = module.partition(".")[0]
    owners = {one.distribution for one in installed().plugins if one.module.partition(".")[0] == package}
    lines = [line for owner in owners for line in requires(owner) or ()]
    return tuple(sorted({re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines}))
