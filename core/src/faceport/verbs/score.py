"""Score predictions that exist: faceport's own, or in the official format of a dataset."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceport.data.predictions import FILE as PREDICTIONS
from faceport.errors import ConfigError
from faceport.files import digest
from faceport.progress import progress
from faceport.runs.pairing import Pairing
from faceport.runs.plan import make_plan
from faceport.runs.record import FILE as RECORD
from faceport.runs.record import finish, read_record
from faceport.runs.reference import truths
from faceport.verbs.run import official_or_own


def score(config: Mapping[str, Any]) -> dict[str, Any]:
    """Compute metrics of predictions and write a record."""
    plan = make_plan(config)
    if not plan.options.predictions:
        raise ConfigError(
            "give predictions=PATH: the folder of a run, a predictions.jsonl, or official files"
        )
    if plan.dataset is None or not plan.metrics:
        raise ConfigError("nothing to score by: give metric=NAME (see: faceport list metric)")
    path = Path(plan.options.predictions)
    started = time.perf_counter()
    with progress("reading predictions") as shown:
        predictions = []
        for prediction in official_or_own(plan.dataset, path):
            predictions.append(prediction)
            shown.advance()
    pairing = Pairing(plan.samples(), iter(predictions))
    for _ in pairing:  # to count, before any metric is asked
        pass
    if predictions and pairing.missing == plan.count():
        raise ConfigError(
            f"none of the {len(predictions)} predictions in {path} is for a picture of this dataset, e.g. "
            f"'{predictions[0].id}': is it the right dataset and split?"
        )
    if pairing.missing:
        plan.notes.append(f"{pairing.missing} pictures have no prediction and count as if no face was found")
    if pairing.unknown:
        plan.notes.append(f"{pairing.unknown} predictions are for pictures that the dataset does not have")
    ran = record_beside(path)
    metrics = {
        name: {**metric.compute(Pairing(truths(plan, metric), iter(predictions))), **metric.of_run(ran)}
        for name, metric in plan.metrics.items()
    }
    folder = Path(plan.options.out) / f"score-{config['dataset']['name']}-{digest(config)[:8]}"
    record = {
        "metrics": metrics,
        "samples": {"total": plan.count(), "predicted": len(predictions), "missing": pairing.missing},
        "predictions": str(path),
        "seconds": round(time.perf_counter() - started, 3),
    }
    finish(record, plan, folder)
    return record | {"folder": str(folder)}


def record_beside(path: Path) -> Mapping[str, Any]:
    """Read the record of the run that made the predictions; empty where they come from elsewhere."""
    folder = path if path.is_dir() else path.parent
    return (read_record(folder / RECORD) or {}) if path in (folder, folder / PREDICTIONS) else {}
