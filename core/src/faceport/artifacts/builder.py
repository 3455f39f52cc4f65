"""From a model's networks to sessions of a target: compile, hold against the reference, open; all kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from faceport.api import Artifact, Model, Network, Session, Target
from faceport.artifacts.exports import Exporter
from faceport.artifacts.parity import accept, measure_parity
from faceport.artifacts.recipe import network_recipe, target_recipe, versions
from faceport.artifacts.recording import Calibration, Recording, digest_calls
from faceport.artifacts.shapes import compile_network, open_network, wants_sizes
from faceport.artifacts.store import Store
from faceport.artifacts.trials import Trials
from faceport.errors import MissingError
from faceport.networks.reference import references, source_of
from faceport.networks.weights import checkpoint
from faceport.progress import working
from faceport.types import Sample, Tensors


@dataclass(frozen=True, eq=False)
class Built:
    """Open sessions, and what they were opened from."""

    sessions: Mapping[str, Session]
    artifacts: Mapping[str, Artifact]

    def close(self) -> None:
        """Close every session."""
        for session in self.sessions.values():
            session.close()


@dataclass(frozen=True, eq=False)
class Builder:
    """Compile the networks of one model for one target."""

    model: Model
    target: Target
    target_name: str
    samples: Iterable[Sample] = ()  # pictures to check the compiled networks on
    count: int = 2  # how many of them
    tolerance: float = 1e-3  # largest error of fp32, relative to the spread of the output
    store: Store = field(default_factory=Store)
    calibration: Calibration | None = None  # pictures for int8; None: those of the check

    @cached_property
    def trials(self) -> Trials:
        """Calls to try the networks on."""
        return Trials(self.model, self.samples, self.count)

    @cached_property
    def exporter(self) -> Exporter:
        """What gives the networks as ONNX."""
        return Exporter(self.model, self.trials, self.store)

    def build(self) -> Built:
        """Compile what is not in the store and open everything."""
        require_usable(self.target, self.target_name)
        artifacts = {name: self.artifact(network) for name, network in self.model.networks.items()}
        return open_artifacts(self.target, artifacts)

    def artifact(self, network: Network) -> Artifact:
        """Find or make the compiled network."""
        recorded = self.recorded(network)
        recipe = {
            "network": network_recipe(network, self.model),
            "target": target_recipe(self.target, self.target_name),
            "versions": versions(),
            **({"calls": digest_calls(recorded)} if recorded else {}),
            **({"batch": self.target.batch} if self.target.batch else {}),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            source = source_of(network, lambda: self.exporter.onnx(network))
            compile_network(self.target, source, folder, recorded)
            about = {
                "network": network.name,
                "target": self.target_name,
                "weights": dict(checkpoint(network).facts()),
                "versions": versions(),
            }
            session = open_network(self.target, Artifact(folder, network, about))
            try:
                about["runs_as"] = dict(session.facts)
                about["parity"] = measure_parity(network, session, self.trials, self.target_name)
            finally:
                session.close()
            return about

        with working(f"compiling {network.name} for {self.target_name}"):
            entry = self.store.get("artifact", recipe, make)
        accept(network, entry.manifest["parity"], self.target, self.target_name, self.tolerance)
        return Artifact(entry.path, network, entry.manifest)

    def recorded(self, network: Network) -> Sequence[Tensors]:
        """Give the calls that a target compiles a network with: ranges for int8, sizes to fix."""
        if not (self.target.calibrates or wants_sizes(self.target, network)):
            return ()
        if self.calibration is not None:
            return self._recordings.get(network.name, ())
        if self.trials.are_noise and self.target.calibrates:
            return ()  # noise has no ranges to learn
        return self.trials.calls(network)

    @cached_property
    def _recordings(self) -> Mapping[str, Recording]:
        assert self.calibration is not None  # asked by whoever knows
        recipes = {name: network_recipe(one, self.model) for name, one in self.model.networks.items()}
        return self.calibration.record(self.model, recipes, lambda: references(self.model), self.store)


def open_artifacts(target: Target, artifacts: Mapping[str, Artifact]) -> Built:
    """Open sessions of compiled networks."""
    return Built({name: open_network(target, one) for name, one in artifacts.items()}, artifacts)


def require_usable(target: Target, name: str) -> None:
    """Refuse in one sentence a target whose runtime is not installed."""
    missing = target.missing()
    if missing:
        raise MissingError(f"target={name} cannot be used: {missing}")
