"""Train a model by a recipe: weights that `faceport run` takes, a log, a record; killed, it goes on."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from faceport.api import Dataset, Model
from faceport.errors import ConfigError
from faceport.files import cache_dir, digest, disk_errors, file_sha256
from faceport.runs import chosen
from faceport.runs.folder import is_marked, mark, run_folder, write_mark
from faceport.runs.metrics import choose_metrics
from faceport.runs.options import PortionOptions, at_least_one
from faceport.runs.provenance import surroundings, version_facts
from faceport.runs.record import FILE as RECORD
from faceport.runs.record import Record, Samples
from faceport.types import Sample
from faceport.verb import Verb
from faceport_train.recipe import Recipe, lesson_of

GROUPS = ("recipe", "model", "dataset")


@dataclass(frozen=True)
class ValidationOptions:
    """What weights are judged on."""

    share: float = 0.1
    every: float = 1.0
    number: str = "landmarks.nme"
    dataset: Any = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 0.5 or self.every <= 0:
            raise ValueError("validation.share must lie in 0..0.5, validation.every be more than 0")


@dataclass(frozen=True)
class TrainOptions(PortionOptions):
    """Options beside the groups; conf/verb/train.yaml explains them."""

    validation: ValidationOptions = field(default_factory=ValidationOptions)
    seed: int = 0
    steps: int | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int | None = None
    workers: int = 1
    channels_last: bool = True
    deterministic: bool = True
    keep_every: int = 200
    log_every: int = 10
    tensorboard: bool = False
    fresh: bool = False
    out: str = "trained"
    published: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(
            steps=self.steps, threads=self.threads, keep_every=self.keep_every, log_every=self.log_every
        )


class Train(Verb):
    """Train a model by a recipe."""

    Options = TrainOptions
    options: TrainOptions

    def act(self, config: Mapping[str, Any]) -> Record:
        """Train to the end, or go on with what a killed process left."""
        from faceport.networks.modules import load_module
        from faceport_train.training.loop import BEST, LAST, Rhythm, settled, train
        from faceport_train.training.steps import Trainer
        from faceport_train.training.world import joined

        options, started = self.options, time.perf_counter()
        recipe: Recipe = _required(config, "recipe")
        model: Model = _required(config, "model")
        dataset: Dataset = _required(config, "dataset")
        lesson = lesson_of(model, config["model"][chosen.NAME])
        learnt, judged, facts = self._split(dataset)
        validation = options.validation
        judging = chosen.of(validation.dataset).make("dataset") if validation.dataset else dataset
        if validation.dataset:
            judged = range(len(judging))
        metrics, notes = choose_metrics(config.get("metric") or {}, judging, model)
        folder = run_folder(config, groups=GROUPS)
        settings = settled(options.threads, options.deterministic)
        with joined(options.device) as world, disk_errors(folder), settings:
            if world.first:
                self._claim(folder, config, facts)
            world.wait()
            kept = cache_dir() / "training"
            portion = _Some(dataset, learnt)
            if world.first:
                recipe.examples(lesson, portion, dataset, facts, kept)
            world.wait()
            examples = recipe.examples(lesson, portion, dataset, facts, kept)
            order = _order(recipe, len(examples), options.seed, world.size)
            module = load_module(lesson.network)
            trainer = Trainer(module, lesson, recipe.options, world, options.channels_last)
            end = min(recipe.options.epochs * order.steps, options.steps or 10**12)
            every = max(round(validation.every * order.steps), 1)
            rhythm = Rhythm(options.log_every, options.keep_every, every, end)
            curve: dict[str, Any] = {}
            shown = list(_Some(judging, judged))
            told = [_question(sample, model) for sample in shown]

            def judge(weights: Any) -> float | None:
                from faceport_train.training.validate import validate

                curve.update(validate(model, lesson.network, weights, shown, iter(told), metrics))
                return _number(curve, validation.number)

            words = {"faceport": "trained by faceport train", "config": digest(dict(config))[:16]}
            trained = train(
                trainer,
                examples,
                order,
                rhythm,
                folder,
                words,
                judge if shown and metrics else None,
                options.workers,
                options.tensorboard,
            )
            told_notes = [*notes, *model.notes]
            if shown and not validation.dataset:
                told_notes.append(
                    f"validated on {len(shown)} pictures of the training data that were held out, not on a "
                    "test set"
                )
            files = {name: folder / name for name in (BEST, LAST) if (folder / name).is_file()}
            record = Record(
                "done",
                config,
                verb="train",
                folder=str(folder),
                samples=Samples(total=len(examples), predicted=len(examples)),
                metrics={
                    **curve,
                    "training": {
                        "loss": trained.loss,
                        "steps": trained.step,
                        "epochs": round(trained.step / order.steps, 3),
                        "best": trained.best,
                        "best_step": trained.best_step,
                    },
                },
                weights={
                    name: {"path": str(path), "sha256": file_sha256(path)} for name, path in files.items()
                },
                data=dict(examples.facts),
                notes=told_notes,
                seconds=round(time.perf_counter() - started, 3),
                **surroundings(config, metrics),
            )
            if world.first:
                record.write(folder / RECORD)
            world.wait()
        return record

    def _split(self, dataset: Dataset) -> tuple[Sequence[int], Sequence[int], Mapping[str, Any]]:
        """Choose the pictures to learn from and those to be judged by, and say which."""
        options = self.options
        chosen_rows = list(range(*options.bounds(len(dataset))))
        share = 0.0 if options.validation.dataset else options.validation.share
        away = set(
            np.random.default_rng([options.seed, 7])
            .permutation(len(chosen_rows))[: round(share * len(chosen_rows))]
            .tolist()
        )
        learnt = [row for i, row in enumerate(chosen_rows) if i not in away]
        judged = [row for i, row in enumerate(chosen_rows) if i in away]
        facts = {**dataset.facts(), "pictures": len(learnt), "held_out": len(judged), "rows": digest(learnt)}
        return learnt, judged, facts

    def _claim(self, folder: Path, config: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Make the folder ours; what another training left there is not touched."""
        text = mark([dict(facts), version_facts(config)])
        if self.options.fresh and folder.is_dir():
            shutil.rmtree(folder)
        if folder.is_dir() and any(folder.iterdir()) and not is_marked(folder, text):
            raise ConfigError(
                f"{folder} holds a training with other data or versions. fresh=true deletes it and begins "
                "anew, out=DIR writes elsewhere"
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_mark(folder, text)

    def show(self, outcome: Record) -> int:
        """Say where the weights are and how good they are."""
        if os.environ.get("RANK", "0") != "0":  # one of several processes speaks for all
            return 0
        training, name = outcome.metrics["training"], outcome.config["model"][chosen.NAME]
        print(f"{training['steps']} steps, {training['epochs']:g} epochs; last loss {training['loss']:.6g}")
        if training["best"] is not None:
            number = self.options.validation.number
            print(f"best {number} {training['best']:.6g}, at step {training['best_step']}")
        for path in (facts["path"] for facts in outcome.weights.values()):
            print(f"  faceport run model={name} model.weights={path} dataset=NAME")
        for note in outcome.notes:
            print(f"note: {note}")
        return 0


class _Some:
    """Some pictures of a dataset, by position, in order."""

    def __init__(self, dataset: Dataset, rows: Sequence[int]) -> None:
        self.dataset, self.rows = dataset, set(rows)

    def __iter__(self) -> Iterator[Sample]:
        return (sample for row, sample in enumerate(self.dataset) if row in self.rows)


def _question(sample: Sample, model: Model) -> Sample:
    """Strip a picture of its truth, except for what the model needs to be told."""
    return replace(sample, truth=None, faces=sample.truth.only(model.needs) if sample.truth else None)


def _required(config: Mapping[str, Any], group: str) -> Any:
    made = chosen.make(config, group)
    if made is None:
        raise ConfigError(f"choose what to train: {group}=NAME (faceport list {group})")
    return made


def _order(recipe: Recipe, count: int, seed: int, processes: int) -> Any:
    from faceport_train.order import Order

    batch = recipe.options.batch
    if count < batch:
        raise ConfigError(f"there are {count} examples, fewer than recipe.batch={batch}: give a smaller one")
    if batch % (processes * recipe.options.accumulate):
        raise ConfigError(
            f"recipe.batch={batch} cannot be shared by {processes} processes in {recipe.options.accumulate} "
            "parts each"
        )
    return Order(count, batch, seed)


def _number(numbers: Mapping[str, Any], name: str) -> float | None:
    """Find a number by its dotted name."""
    found: Any = numbers
    for key in name.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return None if found is None else float(found)
