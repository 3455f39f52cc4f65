"""What an artifact depends on, named: weights, options, code, versions."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from faceport.api import Model, Network
from faceport.engine.cascade import Cascade
from faceport.networks.weights import checkpoint


def network_recipe(network: Network, model: Model) -> dict[str, Any]:
    """Name everything that the graph and its numbers are made of."""
    owner = _owner(network, model)
    return {
        "name": network.name,
        "weights": checkpoint(network).sha256 or f"random:{checkpoint(network).seed}",
        "options": dict(network.options),
        "inputs": [str(spec) for spec in network.inputs],
        "outputs": [str(spec) for spec in network.outputs],
        "code": code_digest(type(owner).__module__.split(".")[0]),
    }


def _owner(network: Network, model: Model) -> Model:
    if isinstance(model, Cascade):
        return model.detector if network.name in model.detector.networks else model.model
    return model


@lru_cache(maxsize=64)
def code_digest(package: str) -> str:
    """Hash the source of a plugin and of the parts that it shares with others."""
    folders = []
    for name in (package, "faceport"):
        spec = importlib.util.find_spec(name)
        folders += [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    files = sorted(file for file in folders[0].rglob("*.py")) if folders else []
    files += sorted(folders[-1].glob("nets/*.py"))
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(file.name.encode() + b"\0" + file.read_bytes())
    return hashed.hexdigest()[:16]


def versions(*names: str) -> dict[str, str]:
    """Read installed versions of the packages that shape an export."""
    found = {}
    for name in names or ("faceport", "torch", "onnx"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def model_recipe(model: Model) -> Any:
    """Name everything that decides which calls a model makes, beside its networks."""
    if isinstance(model, Cascade):
        return [model_recipe(model.detector), model_recipe(model.model)]
    kind = type(model)
    return {"class": f"{kind.__module__}.{kind.__name__}", "options": dataclasses.asdict(model.options)}
