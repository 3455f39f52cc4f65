"""Weights judged as `faceport run` judges them: the whole model on whole pictures, by the same metrics."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, ClassVar

from torch import nn

from faceport.api import Metric, Model, Network, Session
from faceport.engine.engine import Engine
from faceport.engine.flow import Settings
from faceport.networks.modules import run_module
from faceport.runs.pairing import Pairing
from faceport.types import Sample, Tensors


class ModuleSession(Session):
    """Run a module that lies in memory."""

    facts: ClassVar[Mapping[str, str]] = {"runtime": "torch"}

    def __init__(self, network: Network, module: nn.Module) -> None:
        self._network = network
        self._module = copy.deepcopy(module).float().cpu().eval()

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        return run_module(self._network, self._module, inputs)


def validate(
    model: Model,
    network: Network,
    module: nn.Module,
    samples: Sequence[Sample],
    questions: Iterator[Sample],
    metrics: Mapping[str, Metric],
) -> dict[str, Mapping[str, Any]]:
    """Predict pictures and score the predictions."""
    engine = Engine(model, {network.name: ModuleSession(network, module)}, Settings(batch_size=8))
    with closing(engine.run(questions)) as stream:
        predictions = list(stream)
    return {
        name: metric.compute(Pairing(iter(samples), iter(predictions))) for name, metric in metrics.items()
    }
