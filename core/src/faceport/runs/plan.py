"""A composed configuration as objects that fit together, or the sentence that says why they do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

from faceport.api import Dataset, Metric, Model, Target
from faceport.artifacts.builder import Builder, Built
from faceport.artifacts.bundle import Bundle, open_bundle, read_bundle
from faceport.artifacts.recording import Calibration, choose
from faceport.artifacts.store import Store
from faceport.engine.cascade import Cascade
from faceport.engine.flow import Settings
from faceport.errors import ConfigError, MissingError
from faceport.files import expand
from faceport.networks.weights import checkpoint
from faceport.runs import chosen
from faceport.runs.advice import choose_one, detector_advice, listed
from faceport.runs.metrics import choose_metrics
from faceport.runs.options import (
    ArtifactOptions,
    CalibratedOptions,
    CalibrationOptions,
    CheckOptions,
    EngineOptions,
    ParityOptions,
    PortionOptions,
)
from faceport.types import Sample

FLATTERED = (
    "int8 was calibrated on pictures that it is judged by: its accuracy is flattered. Give others with "
    "calibration.dataset=NAME"
)


@dataclass(frozen=True, eq=False)
class Plan:
    """What a verb works on: the objects that a configuration names, and how they are to be used."""

    config: Mapping[str, Any]
    parts: Mapping[str, Any]  # by group: model, target, dataset; what was not chosen is not there
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what must be said beside every number
    bundle: Bundle | None = None
    settings: Settings = field(default_factory=Settings)
    portion: PortionOptions = field(default_factory=PortionOptions)
    checks: CheckOptions = field(default_factory=CheckOptions)
    calibrating: CalibrationOptions = field(default_factory=CalibrationOptions)
    store: Store = field(default_factory=Store)

    def part(self, group: str) -> Any:
        """Give what was chosen for a group, or ask for a choice."""
        if group not in self.parts:
            raise ConfigError(choose_one(group))
        return self.parts[group]

    @property
    def model(self) -> Model:
        """The model, with its detector in front where one was chosen."""
        model: Model = self.part("model")
        return model

    @property
    def target(self) -> Target:
        """The target."""
        target: Target = self.part("target")
        return target

    @property
    def dataset(self) -> Dataset:
        """The dataset."""
        dataset: Dataset = self.part("dataset")
        return dataset

    @property
    def target_name(self) -> str:
        """Name of the target."""
        return str(self.config["target"][chosen.NAME])

    def with_target(self, target: Target) -> Plan:
        """Give the same plan for another target."""
        return replace(self, parts={**self.parts, "target": target})

    def build(self, samples: Iterable[Sample] = ()) -> Built:
        """Open the model's networks on the target: from the bundle, or compiled now."""
        if self.bundle:
            return open_bundle(self.bundle, self.model, self.target, self.target_name)
        return self.builder(samples).build()

    def builder(self, samples: Iterable[Sample] = ()) -> Builder:
        """Give the builder that compiles the model's networks."""
        return Builder(
            self.model,
            self.target,
            self.target_name,
            samples,
            self.checks.parity,
            self.checks.tolerance,
            store=self.store,
            calibration=self.calibration if self.target.calibrates else None,
        )

    @cached_property
    def calibration(self) -> Calibration:
        """Choose the pictures that int8 is calibrated on; a note says when they are those it is judged by."""
        options, note = self.calibrating, ""
        if options.dataset:
            choice = chosen.of(options.dataset)
            dataset: Dataset = choice.make("dataset")
        elif "dataset" in self.parts:
            dataset, choice, note = self._other_split()
        else:
            raise ConfigError("int8 needs pictures to calibrate on: calibration.dataset=NAME")
        lacking = self.model.needs - dataset.truth
        if lacking:
            raise ConfigError(
                f"calibration.dataset={choice.name} does not have {listed(lacking)}, which the model needs"
            )
        return Calibration(
            map(self.question, choose(dataset, options.samples, options.seed)),
            {"dataset": choice.plain(), "facts": dict(dataset.facts()), "samples": options.samples},
            min(options.samples, len(dataset)),
            options.seed,
            note,
        )

    def _other_split(self) -> tuple[Dataset, chosen.Chosen, str]:
        """Open another split of the dataset where there is one, else the dataset itself, with a note."""
        own = chosen.of(self.config["dataset"])
        if self.dataset.calibration:
            other = chosen.Chosen(own.name, {**own.options, **self.dataset.calibration})
            try:
                dataset: Dataset = other.make("dataset")
                if len(dataset):
                    return dataset, other, ""
            except MissingError:
                pass  # that split is not on this machine
        return self.dataset, own, FLATTERED

    def samples(self) -> Iterator[Sample]:
        """Stream the dataset with its truth."""
        return self.portion.of(iter(self.dataset), len(self.dataset))

    def questions(self) -> Iterator[Sample]:
        """Stream the dataset as the model may see it: without truth, but with what the model needs."""
        return map(self.question, self.samples())

    def question(self, sample: Sample) -> Sample:
        """Strip a sample of its truth, except for the faces that the model needs."""
        needs = self.model.needs
        faces = sample.truth.only(needs) if needs and sample.truth is not None else None
        return replace(sample, truth=None, faces=faces)

    def first_questions(self) -> Iterator[Sample]:
        """Stream as many samples as the parity check looks at; none where there is no dataset."""
        return islice(self.questions(), self.checks.parity) if "dataset" in self.parts else iter(())

    def count(self) -> int:
        """Count the samples."""
        start, stop = self.portion.bounds(len(self.dataset))
        return stop - start

    def settled(self) -> dict[str, Any]:
        """Give model and detector with what was looked up from the weights written out."""
        parts = self.model.parts if "model" in self.parts else {}
        return {group: {**self.config[group], **part.settled()} for group, part in parts.items()}

    def warnings(self) -> list[str]:
        """Collect what must be said beside every number."""
        notes = [*self.notes]
        if "model" in self.parts:
            notes += self.model.notes
            if self.bundle:
                notes += (*self.bundle.notes, *self.bundle.departures())
            else:
                random = [name for name, one in self.model.networks.items() if checkpoint(one).random]
                if random:
                    notes.append(f"weights of {', '.join(random)} are random: its accuracy means nothing")
                if "calibration" in self.__dict__:  # somebody asked for it
                    notes += self.calibration.notes
        return [note for note in dict.fromkeys(notes) if note]


def make_plan(config: Mapping[str, Any], options: Any = None) -> Plan:
    """Make what a configuration names and check that it fits; the options of a verb say how it is used."""
    groups = ("target", "dataset")
    parts = {group: part for group in groups if (part := chosen.make(config, group)) is not None}
    model, detector = chosen.make(config, "model"), chosen.make(config, "detector")
    if model is not None:
        parts["model"] = Cascade(detector, model) if detector is not None else model
    metrics, notes = choose_metrics(config.get("metric") or {}, parts.get("dataset"), parts.get("model"))
    if "model" in parts and "dataset" in parts:
        _check_needs(parts["model"], parts["dataset"], config)
    plan = Plan(config, parts, metrics, notes)
    if isinstance(options, EngineOptions):
        plan = replace(plan, settings=options.settings)
    if isinstance(options, PortionOptions):
        plan = replace(plan, portion=PortionOptions(options.limit, options.part))
    if isinstance(options, ParityOptions):
        plan = replace(plan, checks=replace(plan.checks, parity=options.parity))
    if isinstance(options, CheckOptions):
        plan = replace(plan, checks=replace(plan.checks, tolerance=options.tolerance))
    if isinstance(options, CalibratedOptions):
        plan = replace(plan, calibrating=options.calibration)
    if isinstance(options, ArtifactOptions) and options.artifact:
        plan = replace(plan, bundle=read_bundle(expand(options.artifact)))
    return plan


def require_independent(plan: Plan) -> None:
    """Refuse a model that must be given faces where no dataset gives any."""
    needs = plan.model.needs
    if needs:
        name = plan.config["model"][chosen.NAME]
        raise ConfigError(f"model={name} must be told {listed(needs)}. {detector_advice()}")


def _check_needs(model: Model, dataset: Dataset, config: Mapping[str, Any]) -> None:
    lacking = model.needs - dataset.truth
    if lacking:
        raise ConfigError(
            f"model={config['model'][chosen.NAME]} needs {listed(lacking)}, which dataset="
            f"{config['dataset'][chosen.NAME]} does not have. {detector_advice()}"
        )
