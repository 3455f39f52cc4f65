"""Score predictions that exist: faceport's own, or in the official format of a dataset."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faceport.api import Dataset
from faceport.data.predictions import FILE as PREDICTIONS
from faceport.data.predictions import read_predictions
from faceport.errors import ConfigError, FaceportError
from faceport.files import expand
from faceport.progress import progress
from faceport.runs.folder import run_folder
from faceport.runs.options import CompleteOptions
from faceport.runs.pairing import Pairing
from faceport.runs.plan import make_plan
from faceport.runs.provenance import surroundings
from faceport.runs.record import FILE as RECORD
from faceport.runs.record import Record, Samples, second_place
from faceport.runs.scoring import judged, score
from faceport.types import Prediction
from faceport.verbs.recorded import Recorded, keep


@dataclass(frozen=True)
class ScoreOptions(CompleteOptions):
    """Options of a scoring beside its groups."""

    predictions: str | None = None
    out: str = "runs"
    record: str | None = None


class Score(Recorded):
    """Compute metrics of predictions that exist."""

    Options = ScoreOptions
    options: ScoreOptions

    def act(self, config: Mapping[str, Any]) -> Record:
        """Score the predictions and write a record."""
        options = self.options
        if not options.predictions:
            raise ConfigError(
                "give predictions=PATH: the folder of a run, a predictions.jsonl, or official files"
            )
        second = second_place(options.record)
        plan = make_plan(config, options)
        if not plan.metrics:
            raise ConfigError("nothing to score by: give metric=NAME (see: faceport list metric)")
        path, started = expand(options.predictions), time.perf_counter()
        with progress("reading predictions") as shown:
            predictions = list(shown.over(official_or_own(plan.dataset, path)))
        pairing = Pairing(plan.samples(), iter(predictions))
        for _ in pairing:  # to count, before any metric is asked
            pass
        if predictions and pairing.missing == plan.count():
            raise ConfigError(
                f"none of the {len(predictions)} predictions in {path} is for a picture of this dataset, "
                f"e.g. '{predictions[0].id}': is it the right dataset and split?"
            )
        notes = []
        if pairing.missing:
            notes.append(f"{pairing.missing} pictures have no prediction and count as if no face was found")
        if pairing.unknown:
            notes.append(f"{pairing.unknown} predictions are for pictures that the dataset does not have")
        plan = replace(plan, notes=(*plan.notes, *notes))
        metrics = score(plan, lambda: iter(predictions), record_beside(path))
        folder = run_folder(config, "score", ["dataset"])
        record = Record(
            status="done",
            config=config,
            folder=str(folder),
            samples=Samples(total=plan.count(), predicted=len(predictions), missing=pairing.missing),
            metrics=metrics,
            predictions=str(path),
            settled=plan.settled(),
            data=dict(plan.dataset.facts()),
            notes=plan.warnings(),
            seconds=round(time.perf_counter() - started, 3),
            **surroundings(config, plan.metrics),
        )
        return keep(judged(record, options.missing_allowed), folder, second)


def official_or_own(dataset: Dataset, path: Path) -> Iterator[Prediction]:
    """Read predictions: faceport's own file or run folder, or the dataset's official format."""
    if path.is_dir() and (path / PREDICTIONS).is_file():
        path = path / PREDICTIONS
    if not path.exists():
        raise FaceportError(f"predictions={path} does not exist (looked for at {path.absolute()})")
    return read_predictions(path) if path.suffix == ".jsonl" else dataset.read_predictions(path)


def record_beside(path: Path) -> Record | None:
    """Read the record of the run that made the predictions; None where they come from elsewhere."""
    folder = path if path.is_dir() else path.parent
    return Record.read(folder / RECORD) if path in (folder, folder / PREDICTIONS) else None
