"""Hand records over to MLflow or TensorBoard, each once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from faceport.api import Verb
from faceport.errors import ConfigError, MissingError
from faceport.progress import progress
from faceport.runs.records import gather
from faceport.verbs.show.terminal import console, say
from faceport_log.entry import Entry, entry_of
from faceport_log.mlflow_store import MlflowStore
from faceport_log.tensorboard_store import TensorboardStore


@dataclass(frozen=True)
class LogOptions:
    """Options of the verb; conf/verb/log.yaml explains them."""

    places: list[str] = field(default_factory=list)
    mlflow: str | None = None
    tensorboard: str | None = None
    experiment: str = "faceport"
    predictions: bool = True


class Store(Protocol):
    """Where runs are kept."""

    place: str

    def has(self, entry: Entry) -> bool:
        """Tell whether a record was handed over before."""

    def add(self, entry: Entry) -> None:
        """Keep a record."""


@dataclass(frozen=True)
class Logged:
    """How many records a store was given, and how many it had."""

    place: str
    new: int
    known: int


@dataclass(frozen=True)
class Outcome:
    """What was handed over, and the records that cannot be believed."""

    logged: tuple[Logged, ...]
    refused: tuple[str, ...]


class Log(Verb):
    """Hand runs over to tools that keep results."""

    Options = LogOptions
    options: LogOptions

    def act(self, config: Mapping[str, Any]) -> Outcome:
        """Hand every record to every store that lacks it."""
        options = self.options
        if not (options.mlflow or options.tensorboard):
            raise ConfigError("say where to: mlflow=sqlite:///mlflow.db or tensorboard=FOLDER")
        gathered = gather(options.places or ["runs"])
        if not gathered.runs:
            raise MissingError("there is no record to hand over: faceport run writes them")
        entries = [entry_of(run, options.predictions) for run in gathered.runs]
        stores: list[Store] = []
        if options.mlflow:
            stores.append(MlflowStore(options.mlflow, options.experiment))
        if options.tensorboard:
            stores.append(TensorboardStore(options.tensorboard))
        logged = []
        for store in stores:
            new = 0
            with progress("handing over", len(entries)) as shown:
                for entry in shown.over(entries):
                    if not store.has(entry):
                        store.add(entry)
                        new += 1
            logged.append(Logged(store.place, new, len(entries) - new))
        return Outcome(tuple(logged), gathered.refused)

    def show(self, outcome: Outcome) -> int:
        """Say how many are new."""
        out = console()
        for reason in outcome.refused:
            say(out, f"left out: {reason}", "yellow", indent=2)
        for one in outcome.logged:
            say(out, f"{one.new} new runs, {one.known} were there: {one.place}", indent=2)
        return 0
