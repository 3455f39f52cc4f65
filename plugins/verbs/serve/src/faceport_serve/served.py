"""One model on one target, open for everybody: built, warmed up, its batches shared by all requests."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from faceport.api import Model, Network, Steps
from faceport.engine.engine import Engine
from faceport.engine.timing import IN_ENGINE, SERVICE
from faceport.engine.watch import Watch
from faceport.errors import FaceportError
from faceport.files import digest
from faceport.runs.chosen import NAME
from faceport.runs.options import ArtifactOptions
from faceport.runs.plan import make_plan, require_independent
from faceport.types import Call, Faces, Image, Prediction, Sample
from faceport_serve.pictures import Picture

GREY = np.full((128, 128, 3), 127, np.uint8)


@dataclass(frozen=True)
class Offer:
    """A model on a target that may be loaded by its name."""

    name: str
    config: Mapping[str, Any]  # model, detector, target: name and options

    def facts(self) -> dict[str, Any]:
        """Say what it is."""
        detector, target = self.config.get("detector"), self.config["target"]
        return {
            "name": self.name,
            "model": self.config["model"][NAME],
            "detector": detector[NAME] if detector else None,
            "target": target[NAME],
            "precision": str(target.get("precision", "fp32")),
        }


@dataclass(frozen=True, eq=False)
class RawCall(Sample):
    """A network asked for by itself, on its way through the same queues as pictures."""

    call: Call | None = None
    outputs: dict[str, Any] = field(default_factory=dict)


class Door(Model):
    """A model whose networks can be called by themselves, too."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.inner, self.provides, self.needs = model, model.provides, model.needs

    @property
    def networks(self) -> Mapping[str, Network]:
        """Networks of the model."""
        return self.inner.networks

    def predict(self, sample: Sample) -> Steps:
        """Look at a picture, or run one network."""
        if isinstance(sample, RawCall):
            assert sample.call is not None  # nobody makes one without
            sample.outputs.update((yield sample.call))
            return Faces()
        return (yield from self.inner.predict(sample))


@dataclass(eq=False)
class Ticket:
    """A picture that is being looked at."""

    future: Future[Prediction]
    stages: dict[str, float] = field(default_factory=dict)  # milliseconds, once it is done


class Timings(Watch):
    """Keep the stages of samples until somebody fetches them."""

    def __init__(self) -> None:
        self._kept: dict[str, Sequence[tuple[str, float]]] = {}

    def sample(self, name: str, stages: Sequence[tuple[str, float]]) -> None:
        """Keep them."""
        self._kept[name] = stages

    def take(self, name: str) -> dict[str, float]:
        """Give the milliseconds of a sample by stage: they add up to its time in the engine."""
        spent: dict[str, float] = {}
        for stage, seconds in self._kept.pop(name, ()):
            spent[stage] = spent.get(stage, 0.0) + 1e3 * seconds
        if not spent:
            return {}
        whole, service = spent.pop(IN_ENGINE), spent.pop(SERVICE)
        own = sum(spent.values())
        # Networks that ran side by side, for several faces of one picture, count once.
        networks = max(0.0, min(service, whole) - own)
        return {**spent, "networks": networks, "waiting": max(0.0, whole - own - networks)}


class Served:
    """A model on a target, open."""

    def __init__(self, offer: Offer, options: ArtifactOptions, watches: Sequence[Watch] = ()) -> None:
        self.offer = offer
        self.plan = make_plan(offer.config, options)
        require_independent(self.plan)
        self.built = self.plan.build()
        self._timings = Timings()
        self._engine = Engine(
            Door(self.plan.model), self.built.sessions, self.plan.settings, [self._timings, *watches]
        )
        self._numbers = itertools.count()
        self._closed = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.offer.name

    @property
    def provides(self) -> frozenset[str]:
        """Fields of faces that it finds."""
        return self.plan.model.provides

    @property
    def networks(self) -> Mapping[str, Network]:
        """Its networks."""
        return self.plan.model.networks

    @cached_property
    def space(self) -> str:
        """Name what embeddings depend on: only those of one space are held against each other.

        Targets and precisions of the same weights share a space.
        """
        config = {key: value for key, value in self.offer.config.items() if key != "target"}
        weights = {name: one.manifest.get("weights") for name, one in self.built.artifacts.items()}
        return f"{config['model'][NAME]}:{digest([config, weights])[:16]}"

    def warm_up(self) -> None:
        """Run everything once, so that the first request finds memory and kernels ready."""
        for network in self.networks.values():
            self.run(Call(network.name, network.example_inputs()))[0].result()
        self.look(Picture(b"", image=GREY)).future.result()

    def look(self, source: Picture | Image) -> Ticket:
        """Put a picture into the queue."""
        name = f"picture {next(self._numbers)}"
        ticket = Ticket(self._submit(Sample(name, source)))
        # Comes before the callbacks of those who wait, for it is the first.
        ticket.future.add_done_callback(lambda _: ticket.stages.update(self._timings.take(name)))
        return ticket

    def run(self, call: Call) -> tuple[Future[Prediction], dict[str, Any]]:
        """Put a call of a network into the queue; its outputs are in the mapping once the future is done."""
        name = f"call {next(self._numbers)}"
        raw = RawCall(name, GREY, call=call)
        future = self._submit(raw)
        future.add_done_callback(lambda _: self._timings.take(name))
        return future, raw.outputs

    def _submit(self, sample: Sample) -> Future[Prediction]:
        if self._closed:
            raise FaceportError(f"{self.name} is being unloaded")
        return self._engine.submit(sample)

    def shut(self) -> None:
        """Take nothing more."""
        self._closed = True

    def close(self) -> None:
        """Finish what was taken and give the memory back."""
        self.shut()
        self._engine.close()
        self.built.close()

    def facts(self) -> dict[str, Any]:
        """Say what runs, as the runtimes tell."""
        return {
            **self.offer.facts(),
            "provides": sorted(self.provides),
            "networks": {name: dict(session.facts) for name, session in self.built.sessions.items()},
            "notes": self.plan.warnings(),
        }


def variants(config: Mapping[str, Any], targets: Sequence[str]) -> list[Offer]:
    """List the chosen model on its target, and on others: NAME, or NAME:PRECISION."""
    groups = {key: config.get(key) for key in ("model", "detector", "target")}
    groups |= {"calibration": config.get("calibration")}
    own = groups["target"] or {}
    found = [named(groups)]
    for text in targets:
        name, _, precision = text.partition(":")
        options = {NAME: name, **({"precision": precision} if precision else {})}
        if name == own.get(NAME):
            options = {**own, "precision": precision or "fp32"}
        found.append(named({**groups, "target": options}))
    return list({offer.name: offer for offer in found}.values())


def named(config: Mapping[str, Any], name: str = "") -> Offer:
    """Name a combination by what it consists of, unless it has a name."""
    offer = Offer(name, config)
    facts = offer.facts()
    parts = [facts["detector"], facts["model"], facts["target"], facts["precision"]]
    return offer if name else replace(offer, name="-".join(part for part in parts if part))
