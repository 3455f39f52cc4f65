"""Networks as ONNX: exported, checked against their modules, kept in the store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceport.api import Model, Network
from faceport.artifacts.recipe import export_recipe, versions
from faceport.artifacts.store import Store
from faceport.artifacts.trials import Trials
from faceport.errors import MissingError
from faceport.networks.reference import require_torch
from faceport.networks.weights import checkpoint

FILE = "network.onnx"


class Exporter:
    """Find or make the networks of one model as ONNX files."""

    def __init__(self, model: Model, trials: Trials, store: Store) -> None:
        self._model, self._trials, self._store = model, trials, store

    def onnx(self, network: Network) -> Path:
        """Give the path of a network as ONNX."""
        if network.onnx is not None:
            path = checkpoint(network).path
            if path is None:
                raise MissingError(f"network '{network.name}' names no ONNX file")
            return path
        require_torch(f"to export network '{network.name}'")
        return self._store.get("onnx", export_recipe(network, self._model), self._maker(network)).path / FILE

    def _maker(self, network: Network) -> Any:
        def make(folder: Path) -> Mapping[str, Any]:
            from faceport.networks.export import export_onnx
            from faceport.networks.verify import check_export

            export_onnx(network, folder / FILE)
            return {
                "network": network.name,
                "weights": dict(checkpoint(network).facts()),
                "versions": versions(),
                "parity": check_export(network, folder / FILE, self._trials.inputs(network)),
            }

        return make
