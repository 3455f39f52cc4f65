"""A composed configuration into objects that fit together, or the sentence that says why they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from faceport.api import Dataset, Metric, Model, Target
from faceport.artifacts.builder import Builder, Built
from faceport.artifacts.bundle import Bundle, open_bundle, read_bundle
from faceport.artifacts.recording import Calibration, choose
from faceport.engine.cascade import Cascade
from faceport.engine.engine import Settings
from faceport.errors import ConfigError, MissingError
from faceport.networks.weights import checkpoint
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.plugins.options import checked
from faceport.runs.advice import detector_advice
from faceport.types import Sample

GROUPS = ("model", "detector", "target", "dataset", "metric")
CALIBRATION = "calibration"


@dataclass(frozen=True)
class RunOptions:
    """Options beside the groups; which of them a verb takes stands in its YAML."""

    batch_size: int = 1
    workers: int | None = None
    in_flight: int | None = None
    strict: bool = False
    limit: int | None = None
    parity: int = 2
    tolerance: float = 1e-3
    artifact: str | None = None
    predictions: str | None = None
    inputs: list[str] = field(default_factory=list)
    threshold: float = 0.5
    files: list[str] = field(default_factory=lambda: ["pictures"])
    crop: bool | None = None
    size: int = 256
    scale: float | None = None
    neighbours: int = 10
    name: str | None = None
    official: bool = False
    fresh: bool | None = None
    out: str = "runs"
    record: str | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "workers", "in_flight", "limit", "size", "neighbours"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}, it must be at least 1")

    @property
    def engine(self) -> Settings:
        """The part that is the engine's."""
        return Settings(self.batch_size, self.workers, self.in_flight, self.strict)


@dataclass(frozen=True)
class CalibrationOptions:
    """Which pictures int8 finds its ranges on."""

    samples: int = 64
    seed: int = 0
    dataset: Any = None  # name and options; None: another split of the run's dataset

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"calibration.samples is {self.samples}, it must be at least 1")


@dataclass(eq=False)
class Plan:
    """Everything that a verb works on; what the verb does not use is None."""

    config: Mapping[str, Any]
    options: RunOptions
    model: Model | None = None
    target: Target | None = None
    dataset: Dataset | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    bundle: Bundle | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def target_name(self) -> str:
        """Name of the target."""
        return str(self.config["target"]["name"])

    def build(self, samples: Iterator[Sample] | tuple[Sample, ...] = ()) -> Built:
        """Open the model's networks on the target: from the bundle, or compiled now."""
        assert self.model is not None and self.target is not None
        if self.bundle:
            return open_bundle(self.bundle, self.model, self.target, self.target_name)
        return self.builder(samples).build()

    def builder(self, samples: Iterator[Sample] | tuple[Sample, ...] = ()) -> Builder:
        """Give the builder that compiles the model's networks."""
        assert self.model is not None and self.target is not None
        options = self.options
        return Builder(
            self.model,
            self.target,
            self.target_name,
            samples,
            options.parity,
            options.tolerance,
            calibration=self.calibration() if self.target.calibrates else None,
        )

    def calibration(self) -> Calibration:
        """Choose the pictures that int8 is calibrated on; say so when they are those it is judged by."""
        options = checked(CalibrationOptions, self.config.get(CALIBRATION) or {})
        chosen = options.dataset
        if chosen:
            values = {key: value for key, value in chosen.items() if key != "name"}
            dataset = create("dataset", chosen["name"], **values)
        elif self.dataset is not None:
            dataset, chosen = self._other_split()
        else:
            raise ConfigError("int8 needs pictures to calibrate on: calibration.dataset=NAME")
        lacking = self.model.needs - dataset.truth if self.model else frozenset()
        if lacking:
            raise ConfigError(
                f"calibration.dataset={chosen['name']} does not have {_and(lacking)}, which the model needs"
            )
        return Calibration(
            map(self.question, choose(dataset, options.samples, options.seed)),
            {"dataset": chosen, "facts": dict(dataset.facts()), "samples": options.samples},
            options.samples,
            options.seed,
        )

    def _other_split(self) -> tuple[Dataset, Mapping[str, Any]]:
        """Open another split of the dataset where there is one, else the dataset itself, with a note."""
        assert self.dataset is not None
        chosen = dict(self.config["dataset"])
        other = dict(self.dataset.calibration)
        if other:
            values = {key: value for key, value in (chosen | other).items() if key != "name"}
            try:
                dataset: Dataset = create("dataset", chosen["name"], **values)
                if len(dataset):
                    return dataset, chosen | other
            except MissingError:
                pass  # that split is not on this machine
        note = (
            "int8 was calibrated on pictures that it is judged by: its accuracy is flattered. Give others "
            "with calibration.dataset=NAME"
        )
        if note not in self.notes:
            self.notes.append(note)
        return self.dataset, chosen

    def samples(self) -> Iterator[Sample]:
        """Stream the dataset with its truth."""
        assert self.dataset is not None
        return islice(iter(self.dataset), self.options.limit)

    def questions(self) -> Iterator[Sample]:
        """Stream the dataset as the model may see it: without truth, but with what the model needs."""
        return map(self.question, self.samples())

    def question(self, sample: Sample) -> Sample:
        """Take the truth from a sample, but for what the model needs."""
        needs = self.model.needs if self.model else frozenset()
        told = sample.truth.only(needs) if needs and sample.truth is not None else None
        return replace(sample, truth=None, faces=told)

    def first_questions(self) -> Iterator[Sample]:
        """Stream the first samples of the dataset, as many as the parity check looks at; none without one."""
        return islice(self.questions(), self.options.parity) if self.dataset is not None else iter(())

    def count(self) -> int:
        """Count the samples."""
        assert self.dataset is not None
        size = len(self.dataset)
        return size if self.options.limit is None else min(size, self.options.limit)

    def settled(self) -> dict[str, Any]:
        """Give model and detector with what was looked up from the weights written out."""
        parts: dict[str, Model | None] = {"model": self.model}
        if isinstance(self.model, Cascade):
            parts = {"model": self.model.model, "detector": self.model.detector}
        return {group: {**self.config[group], **part.settled()} for group, part in parts.items() if part}

    def warnings(self) -> list[str]:
        """Collect what must be said beside every number."""
        said = [*self.notes, *(self.model.notes if self.model else ())]
        if self.bundle:
            said += [note for note in self.bundle.notes if note not in said]
        elif self.model:
            blind = [name for name, network in self.model.networks.items() if checkpoint(network).random]
            if blind:
                said.append(f"weights of {', '.join(blind)} are random: its accuracy means nothing")
        return said


def make_plan(config: Mapping[str, Any]) -> Plan:
    """Create what a configuration names and check that it fits together."""
    plain = {key: value for key, value in config.items() if key not in (*GROUPS, CALIBRATION)}
    plan = Plan(config, checked(RunOptions, plain))
    if plan.options.artifact:
        plan.bundle = read_bundle(Path(plan.options.artifact))
    model = _make(config, "model")
    detector = _make(config, "detector", kind="model")
    plan.model = Cascade(detector, model) if model and detector else model
    plan.target = _make(config, "target")
    plan.dataset = _make(config, "dataset")
    plan.metrics = _metrics(plan, config)
    if plan.model is not None and plan.dataset is not None:
        _check_needs(plan.model, plan.dataset, config)
    return plan


def _make(config: Mapping[str, Any], group: str, kind: str = "") -> Any:
    chosen = config.get(group)
    if not chosen:
        return None
    values = {key: value for key, value in chosen.items() if key != "name"}
    return create(kind or group, chosen["name"], **values)


def _metrics(plan: Plan, config: Mapping[str, Any]) -> dict[str, Metric]:
    """Make the chosen metrics, or those that the dataset recommends and the model can be scored by."""
    chosen = config.get("metric") or {}
    dataset = plan.dataset
    provided = plan.model.provides | plan.model.needs if plan.model else None
    if chosen:
        metrics = {name: create("metric", name, **(options or {})) for name, options in chosen.items()}
        for name, metric in metrics.items():
            why = _unfit(metric, dataset, provided)
            if why:
                raise ConfigError(f"metric={name} cannot score this: {why}")
        return metrics
    metrics = {}
    for name in dataset.metrics if dataset is not None else ():
        if name not in installed().choices("metric"):
            plan.notes.append(f"metric '{name}' of this dataset is not installed: no number of it")
            continue
        metric = create("metric", name)
        if not _unfit(metric, dataset, provided):
            metrics[name] = metric
    return metrics


def _unfit(metric: Metric, dataset: Dataset | None, provided: frozenset[str] | None) -> str:
    lacking = metric.truth - (dataset.truth if dataset is not None else frozenset())
    if lacking:
        return f"it needs the truth of {_and(lacking)}, which the dataset does not have"
    lacking = metric.needs - provided if provided is not None else frozenset()
    if lacking:
        return f"it needs {_and(lacking)}, which the model does not provide (it gives {_and(provided or ())})"
    return ""


def _check_needs(model: Model, dataset: Dataset, config: Mapping[str, Any]) -> None:
    lacking = model.needs - dataset.truth
    if lacking:
        raise ConfigError(
            f"model={config['model']['name']} needs {_and(lacking)}, which dataset="
            f"{config['dataset']['name']} does not have. {detector_advice()}"
        )


def _and(names: Any) -> str:
    return " and ".join(sorted(names)) or "nothing"
