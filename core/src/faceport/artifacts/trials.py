"""Calls to try the networks of a model on: what the model asks of them on the first pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from faceport.api import Model, Network
from faceport.artifacts.probe import probes
from faceport.artifacts.recording import CHECK, MemoryRecorder, record_calls
from faceport.networks.reference import references
from faceport.types import Sample, Tensors


class Trials:
    """Record the calls of a model, run by the fp32 reference, once somebody wants them."""

    def __init__(self, model: Model, samples: Iterable[Sample], count: int) -> None:
        self._model, self._samples, self._count = model, samples, count
        self._calls: Mapping[str, Sequence[Tensors]] | None = None
        self._are_noise = False

    @property
    def are_noise(self) -> bool:
        """Tell whether the calls come from pictures of noise, for want of others."""
        self._record()
        return self._are_noise

    def calls(self, network: Network) -> Sequence[Tensors]:
        """Give what the model asked of a network; nothing where it never did."""
        return self._record().get(network.name, ())

    def inputs(self, network: Network) -> Sequence[Tensors]:
        """Give inputs to try a network on: recorded, or drawn where the model never asked for it."""
        return self.calls(network) or [network.example_inputs(batch) for batch in (1, 2)]

    def _record(self) -> Mapping[str, Sequence[Tensors]]:
        if self._calls is None:
            recorder = MemoryRecorder(CHECK)
            samples = list(islice(self._samples, self._count))
            self._are_noise = not samples
            record_calls(self._model, references(self._model), samples or probes(self._model), recorder)
            self._calls = recorder.calls
        return self._calls
