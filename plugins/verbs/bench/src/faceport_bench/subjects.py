"""What is measured, opened: the pipeline of one configuration, and each of its networks alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from faceport.artifacts.builder import Built
from faceport.artifacts.store import Store
from faceport.engine.engine import Engine
from faceport.engine.ledger import is_away
from faceport.errors import ConfigError
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.runs.chosen import NAME
from faceport.runs.plan import Plan, make_plan
from faceport.types import Sample, Tensors
from faceport_bench.alone import Alone, batch_of, pick, shape_of, shaped
from faceport_bench.options import BenchOptions
from faceport_bench.pipeline import Pipeline, StageWatch, held_as
from faceport_bench.scenario import Scenario
from faceport_bench.system import PIPELINE, System

NAMED = ("model", "detector", "target", "dataset", "scenario")  # what varies most often, to be named first
STORED = "its networks were compiled before: remake=true compiles them anew and measures it"


@dataclass(eq=False)
class Variant:
    """One of the configurations that are held against each other, with everything open."""

    config: Mapping[str, Any]
    options: BenchOptions
    plan: Plan
    built: Built
    made_seconds: float | None  # export, compilation and check; None: it was there
    samples: Sequence[Sample] = ()
    watch: StageWatch = field(default_factory=StageWatch)
    engine: Engine | None = None
    label: str = ""

    @property
    def whole(self) -> bool:
        """Tell whether the pipeline is measured."""
        return bool(self.samples) and not self.options.shape and self.options.subject != "networks"

    def alone(self) -> list[str]:
        """Name the networks that are measured alone."""
        if self.options.shape:
            return [shape_of(self.options.shape).network]
        return [] if self.options.subject == PIPELINE else [*self.plan.model.networks]

    def inputs(self, name: str) -> Mapping[str, Any]:
        """Give a batch for a network."""
        network = self.plan.model.networks[name]
        if self.options.shape:
            return shaped(network, shape_of(self.options.shape).sizes)
        return batch_of(network, self.watch.inputs.get(name), self.options.batch_size)

    def system(self, subject: str, scenario: Scenario) -> System:
        """Give the pipeline, or a network, as a system."""
        if subject == PIPELINE:
            assert self.engine is not None  # asked by whoever knows
            return Pipeline(self.engine, self.samples, self.watch)
        session = self.built.sessions[subject]
        threaded = scenario.paced or (scenario.concurrent and session.streams > 1)
        return Alone(session, self.inputs(subject), session.streams if threaded else None)

    def close(self) -> None:
        """Close what was opened."""
        if self.engine is not None:
            self.engine.close()
        self.built.close()


def open_variant(config: Mapping[str, Any]) -> Variant:
    """Compile or find the networks of a configuration, and hold its pictures in memory."""
    options = _options(config)
    plan = make_plan(config, options)
    if options.remake:
        plan = replace(plan, store=Store(fresh=True))
    if options.shape:
        pick(dict(plan.model.networks), shape_of(options.shape).network)
    elif "dataset" not in plan.parts and options.subject == PIPELINE:
        raise ConfigError("subject=pipeline needs pictures: choose a dataset (faceport list dataset)")
    began = time.time()
    has_pictures = "dataset" in plan.parts
    built = plan.build(plan.questions() if has_pictures else ())
    spent = time.time() - began
    if is_away(built.sessions):
        built.close()
        raise ConfigError(
            f"target={plan.target_name} answers in files: nothing of it can be measured from here"
        )
    made = spent if any(one.path.stat().st_mtime >= began for one in built.artifacts.values()) else None
    variant = Variant(config, options, plan, built, made)
    if has_pictures and not options.shape:
        variant.samples = held_as([*islice(plan.questions(), options.pool)], options.pictures)
        variant.engine = Engine(plan.model, built.sessions, plan.settings, [variant.watch])
        for sample in variant.samples[:2]:  # networks alone are then given what pictures ask of them
            variant.engine.one(sample)
    return variant


def _options(config: Mapping[str, Any]) -> BenchOptions:
    own = installed().find("verb", "bench").options
    made = create("verb", "bench", **{key: config[key] for key in own if key in config})
    options: BenchOptions = made.options
    return options


@contextmanager
def opened(configs: Sequence[Mapping[str, Any]]) -> Iterator[list[Variant]]:
    """Open several configurations and close them in the end."""
    variants: list[Variant] = []
    try:
        for config in configs:
            variants.append(open_variant(config))  # noqa: PERF401 - those before one that fails are closed
        for variant, label in zip(variants, labels([*configs]), strict=True):
            variant.label = label
        yield variants
    finally:
        for variant in variants:
            variant.close()


def open_cold(config: Mapping[str, Any], shape: str | None) -> tuple[Callable[[], Any], Callable[[], None]]:
    """Open networks as they lie in the store; give what answers a picture, or a batch, and what closes."""
    options = _options(config)
    plan = make_plan(config, options)
    samples: Sequence[Sample] = ()
    if "dataset" in plan.parts and not shape:
        samples = held_as([*islice(plan.questions(), 1)], options.pictures)
    built = plan.build(plan.questions() if "dataset" in plan.parts else ())
    if samples:
        engine = Engine(plan.model, built.sessions, plan.settings)
        return lambda: engine.one(samples[0]), built.close
    networks = dict(plan.model.networks)
    batches: dict[str, Tensors] = {
        name: batch_of(network, None, options.batch_size) for name, network in networks.items()
    }
    if shape:
        wanted = shape_of(shape)
        batches = {wanted.network: shaped(pick(networks, wanted.network), wanted.sizes)}
    return lambda: [built.sessions[name].run(batch) for name, batch in batches.items()], built.close


def labels(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Call each configuration by what tells it apart from the others."""
    flat = [_flat(config) for config in configs]
    keys = dict.fromkeys([*NAMED, *(key for one in flat for key in one)])
    apart: list[str] = []
    for key in keys:
        before = {tuple(one.get(known) for known in apart) for one in flat}
        after = {tuple(one.get(known) for known in (*apart, key)) for one in flat}
        if len(after) > len(before):
            apart.append(key)
    if not apart:
        return [str(config["model"][NAME]) for config in configs]
    return [" ".join(_word(key, one.get(key)) for key in apart) for one in flat]


def _word(key: str, value: Any) -> str:
    return str(value) if key in NAMED or key == "shape" else f"{key.rpartition('.')[2]}={value}"


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in config.items():
        name = above.rstrip(".") if key == NAME and above else f"{above}{key}"
        if isinstance(value, Mapping):
            found |= {} if key == "published" else _flat(value, f"{name}.")
        else:
            found[name] = str(value)
    return found
