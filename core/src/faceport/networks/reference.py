"""The fp32 reference of a network: its torch module, or its ONNX file in an evaluator."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from faceport.api import Artifact, Model, Network, Session, Source
from faceport.errors import MissingError, explain_import
from faceport.graph.names import load
from faceport.networks.weights import checkpoint
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.targets.sessions import any_batch
from faceport.types import Array, Tensors


class _TorchReference(Session):
    """A network's torch module, run as it is."""

    facts: Mapping[str, str] = {}

    def __init__(self, network: Network) -> None:
        from faceport.networks.modules import load_module

        self._module = load_module(network)
        self._network = network

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        from faceport.networks.modules import run_module

        return run_module(self._network, self._module, inputs)


class _OnnxReference(Session):
    """An ONNX file, run by the evaluator that defines what its operators mean."""

    facts: Mapping[str, str] = {}

    def __init__(self, path: Path) -> None:

        self._run = evaluator(path)

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        return dict(self._run(inputs))


def source_of(network: Network, export: Callable[[], Path]) -> Source:
    """Offer a network to a target as ONNX and, where torch built it, as a module."""

    def load() -> Any:
        from faceport.networks.modules import load_module

        return load_module(network)

    return Source(network, export, load if network.build else None)


@lru_cache(maxsize=8)
def reference_session(network: Network) -> Session:
    """Open the fp32 reference of a network: its torch module, or its ONNX file where that is all there is."""
    if network.build is None:
        file = checkpoint(network).path  # a file that is not there is explained
        assert file is not None
        return any_batch(_OnnxReference(file), network)
    require_torch("to check a compiled network against it")
    return _TorchReference(network)


def references(model: Model) -> dict[str, Session]:
    """Open the fp32 reference of every network of a model."""
    return {name: reference_session(network) for name, network in model.networks.items()}


def require_torch(why: str) -> None:
    """Refuse in one sentence where torch is not installed."""
    try:
        import torch
    except (ImportError, OSError) as error:
        raise MissingError(
            f"torch is needed {why}, and is not installed ({explain_import(error)}). pip install "
            "'faceport[torch]', or compile on a machine that has it and run here with artifact=DIR"
        ) from error
    del torch


Run = Callable[[Tensors], Mapping[str, Array]]


EVALUATED = 14  # the first opset whose BatchNormalization onnx's evaluator does not take for training


def onnx_runner(network: Network, path: Path) -> Run:
    """Run an ONNX file on a target that computes just what it says, else with the slow evaluator of ONNX."""
    exact = [name for name, choice in installed().choices("target").items() if choice.card.get("exact")]
    for name in exact:
        target = create("target", name)
        if not target.missing():
            with tempfile.TemporaryDirectory() as folder:
                target.compile(Source(network, lambda: path), Path(folder), ())
                session: Session = target.open(Artifact(Path(folder), network, {}))
            return session.run
    return evaluator(path)


def evaluator(path: Path) -> Run:
    """Run an ONNX file with the evaluator that defines what its operators mean."""
    from onnx.reference import ReferenceEvaluator

    graph = ReferenceEvaluator(load(path, EVALUATED))
    return lambda inputs: dict(zip(graph.output_names, graph.run(None, dict(inputs)), strict=True))
