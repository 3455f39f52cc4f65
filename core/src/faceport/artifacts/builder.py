"""From a model's networks to sessions of a target: export, compile, verify, open; each result kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from faceport.api import Artifact, Model, Network, Session, Target
from faceport.artifacts.probe import probes
from faceport.artifacts.recipe import code_digest, network_recipe, versions
from faceport.artifacts.recording import Calibration, Recording, digest_calls
from faceport.artifacts.store import Store
from faceport.engine.engine import Engine, Settings
from faceport.errors import FaceportError, ImageError, MissingError
from faceport.networks.parity import compare_calls, worst
from faceport.networks.reference import reference_session, require_torch, source_of
from faceport.networks.weights import checkpoint
from faceport.progress import working
from faceport.targets.precision import allowed_error
from faceport.targets.sessions import any_batch, fixed_batches
from faceport.targets.sizes import has_free_sizes
from faceport.types import Sample, Tensors

MOST_CALLS = 8  # of each network, for the parity check
MOST_ROWS = 8  # of each call
ONNX_FILE = "network.onnx"


@dataclass(frozen=True, eq=False)
class Built:
    """Open sessions, and what they were opened from."""

    sessions: Mapping[str, Session]
    artifacts: Mapping[str, Artifact]

    def close(self) -> None:
        """Close every session."""
        for session in self.sessions.values():
            session.close()


@dataclass(eq=False)
class Builder:
    """Compile the networks of one model for one target."""

    model: Model
    target: Target | None  # None: to export only
    target_name: str
    samples: Iterable[Sample] = ()  # pictures to check the compiled networks on
    count: int = 2  # how many of them
    tolerance: float = 1e-3  # largest error of fp32, relative to the spread of the output
    store: Store = field(default_factory=Store)
    calibration: Calibration | None = None  # pictures for int8; None: those of the check
    _calls: dict[str, list[Tensors]] | None = None
    _recordings: dict[str, Recording] | None = None
    _drawn: bool = False  # whether the calls come from pictures of noise

    def build(self) -> Built:
        """Compile what is not in the store and open everything."""
        assert self.target is not None
        require_usable(self.target, self.target_name)
        artifacts = {name: self.artifact(network) for name, network in self.model.networks.items()}
        return open_artifacts(self.target, artifacts)

    def artifact(self, network: Network) -> Artifact:
        """Find or make the compiled network."""
        target = self.target
        assert target is not None
        recipe = {
            "network": network_recipe(network, self.model),
            "target": self.target_name,
            "target_code": code_digest(type(target).__module__.split(".")[0]),
            "target_recipe": dict(target.recipe()),
        }
        recorded = self.recorded(network)
        if recorded:
            recipe["calls"] = digest_calls(recorded)

        def make(folder: Path) -> Mapping[str, Any]:
            target.compile(source_of(network, lambda: self.onnx(network)), folder, recorded)
            about = {
                "network": network.name,
                "target": self.target_name,
                "weights": dict(checkpoint(network).facts()),
                "versions": versions(),
            }
            opened = open_artifact(target, Artifact(folder, network, about))
            try:
                about["runs_as"] = dict(opened.facts)
                about["parity"] = self.parity(network, opened)
            finally:
                opened.close()
            return about

        with working(f"compiling {network.name} for {self.target_name}"):
            entry = self.store.get("artifact", recipe, make)
        self.accept(network, entry.manifest["parity"])
        return Artifact(entry.path, network, entry.manifest)

    def accept(self, network: Network, parity: Mapping[str, Any]) -> None:
        """Refuse a compiled network that is too far from the reference."""
        if "skipped" in parity:
            return
        assert self.target is not None
        output, error = worst(parity["outputs"])
        allowed = allowed_error(self.target, self.tolerance)
        if not error <= allowed:
            raise FaceportError(
                f"{self.target_name} runs network '{network.name}' too far from the reference: output "
                f"'{output}' is off by {error:.2g} of its spread, allowed is {allowed:g} (target.tolerance)"
            )

    def recorded(self, network: Network) -> Sequence[Tensors]:
        """Give the calls that a target compiles a network with: ranges for int8, sizes to fix."""
        assert self.target is not None
        fixed = "dynamic_shape" not in self.target.capabilities and has_free_sizes(network)
        if not (self.target.calibrates or fixed):
            return ()
        calls = self._calibrating(network)
        if not network.batch:
            return calls
        return [inputs for call in calls for inputs, _ in fixed_batches(call, network.batch)]

    def _calibrating(self, network: Network) -> Sequence[Tensors]:
        assert self.target is not None
        if self.calibration is None:
            calls = self.calls().get(network.name, ())
            return () if self._drawn and self.target.calibrates else calls  # noise has no ranges to learn
        if self._recordings is None:
            recipes = {name: network_recipe(one, self.model) for name, one in self.model.networks.items()}
            self._recordings = self.calibration.record(self.model, recipes, self.references, self.store)
        return self._recordings.get(network.name, ())

    def references(self) -> dict[str, Session]:
        """Open the fp32 reference of every network."""
        return {name: reference_session(network) for name, network in self.model.networks.items()}

    def onnx(self, network: Network) -> Path:
        """Find or make the network as ONNX."""
        if network.onnx is not None:
            assert checkpoint(network).path is not None
            return checkpoint(network).path
        require_torch(f"to export network '{network.name}'")

        def make(folder: Path) -> Mapping[str, Any]:
            from faceport.networks.export import export_onnx
            from faceport.networks.verify import check_export

            export_onnx(network, folder / ONNX_FILE)
            return {
                "network": network.name,
                "weights": dict(checkpoint(network).facts()),
                "versions": versions(),
                "parity": check_export(network, folder / ONNX_FILE, self.inputs(network)),
            }

        recipe = {"network": network_recipe(network, self.model), "exporter": versions()}
        return self.store.get("onnx", recipe, make).path / ONNX_FILE

    def parity(self, network: Network, session: Session) -> dict[str, Any]:
        """Measure a session against the fp32 reference."""
        try:
            reference = reference_session(network)
        except MissingError as error:
            return {"skipped": str(error)}
        calls = self.inputs(network)
        source = "recorded" if self.calls().get(network.name) else "drawn"
        wanted = [reference.run(inputs) for inputs in calls]
        try:
            outputs = compare_calls(wanted, [session.run(inputs) for inputs in calls])
        except ValueError as error:
            raise FaceportError(
                f"{self.target_name} answers wrongly for '{network.name}': {error}"
            ) from error
        return {"calls": len(calls), "inputs": source, "outputs": outputs}

    def inputs(self, network: Network) -> Sequence[Tensors]:
        """Give inputs to try a network on: recorded, or drawn where the model never asked for it."""
        return self.calls().get(network.name) or [network.example_inputs(batch) for batch in (1, 2)]

    def calls(self) -> Mapping[str, Sequence[Tensors]]:
        """Record what the model asks of each network on the first samples, run by the reference."""
        if self._calls is None:
            found: dict[str, list[Tensors]] = defaultdict(list)

            def record(name: str, inputs: Tensors) -> None:
                if len(found[name]) < MOST_CALLS:
                    found[name].append({key: value[:MOST_ROWS] for key, value in inputs.items()})

            engine = Engine(self.model, self.references(), Settings(batch_size=MOST_ROWS), record)
            given = list(islice(self.samples, self.count))
            self._drawn = not given
            for sample in given or probes(self.model):
                try:
                    engine.one(sample)
                except ImageError:
                    continue  # the run itself will name it
            self._calls = found
        return self._calls


def open_artifacts(target: Target, artifacts: Mapping[str, Artifact]) -> Built:
    """Open sessions of compiled networks."""
    return Built({name: open_artifact(target, one) for name, one in artifacts.items()}, artifacts)


def open_artifact(target: Target, artifact: Artifact) -> Session:
    """Open a session that may be called with any number of rows, whatever the network's file takes."""
    return any_batch(target.open(artifact), artifact.network)


def require_usable(target: Target, name: str) -> None:
    """Refuse in one sentence a target whose runtime is not installed."""
    missing = target.missing()
    if missing:
        raise MissingError(f"target={name} cannot be used: {missing}")
