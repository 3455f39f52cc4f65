"""Run a model on a dataset, score it, and write one record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faceport.api import Dataset
from faceport.artifacts.builder import Built
from faceport.data.predictions import FILE as PREDICTIONS
from faceport.data.predictions import PredictionFile, read_predictions
from faceport.engine.engine import Engine
from faceport.errors import FaceportError
from faceport.files import disk_errors, write_atomically
from faceport.progress import progress
from faceport.runs.folder import STATE, fingerprint, run_folder
from faceport.runs.pairing import Pairing
from faceport.runs.plan import Plan, make_plan
from faceport.runs.record import FILE as RECORD
from faceport.runs.record import artifact_facts, finish, read_record
from faceport.runs.reference import reference_predictions, truths
from faceport.study.keep import keep_within_budget
from faceport.study.speed import compare_with_float
from faceport.types import Prediction


def run(config: Mapping[str, Any], keep_finished: bool = False) -> dict[str, Any]:
    """Run what the configuration says; a finished run is kept when asked for and still true."""
    plan = make_plan(config)
    folder = run_folder(config)
    if plan.options.record:
        with disk_errors(Path(plan.options.record)):  # known before the work rather than after it
            Path(plan.options.record).parent.mkdir(parents=True, exist_ok=True)
    mark = fingerprint(plan)
    known = (folder / STATE).read_text() if (folder / STATE).is_file() else ""
    record = read_record(folder / RECORD)
    finished = bool(record and record.get("status") == "done" and known == mark)
    keep = plan.options.fresh is False or (plan.options.fresh is None and keep_finished)
    if record and finished and keep:
        return record | {"kept": True, "folder": str(folder)}
    restart = plan.options.fresh is True or known != mark or finished
    (folder / RECORD).unlink(missing_ok=True)
    started = time.perf_counter()
    if any(metric.against_reference for metric in plan.metrics.values()):
        reference_predictions(plan)  # first: where there is none, it is known before the work
    kept = keep_within_budget(plan, folder)
    built = plan.build(plan.questions())
    try:
        with PredictionFile(folder / PREDICTIONS, fresh=restart) as file:
            write_atomically(folder / STATE, mark)
            record = _predict(plan, built, file)
        plan.notes += _other_precisions(plan, record["artifacts"])
        record["times_as_fast_as_fp32"] = compare_with_float(plan, built)
    finally:
        built.close()
    if kept:
        record["budget"] = kept
    record["metrics"] = _score(plan, folder, record)
    record["seconds"] = round(time.perf_counter() - started, 3)
    finish(record, plan, folder)
    return record | {"folder": str(folder)}


def _predict(plan: Plan, built: Built, file: PredictionFile) -> dict[str, Any]:
    """Send every sample that has no prediction yet through the model."""
    assert plan.model is not None
    engine = Engine(plan.model, built.sessions, plan.options.engine)
    resumed, total = file.count, plan.count()
    todo = file.without_done(plan.questions())
    started = time.perf_counter()
    with progress(str(plan.config["model"]["name"]), total) as shown:
        shown.advance(resumed)
        for prediction in engine.run(todo):
            file.write(prediction)
            shown.advance()
    spent = time.perf_counter() - started
    weights, artifacts, parity = artifact_facts(built)
    new = file.count - resumed
    return {
        "samples": {
            "total": total,
            "predicted": file.count - file.failures,
            "resumed": resumed,
            "unreadable": file.failures,
            "unreadable_named": file.named,
        },
        "timing": {
            "samples": new,
            "seconds": round(spent, 6),
            "samples_per_second": round(new / spent, 3) if new else None,
            "stages": engine.stages.summary(),
        },
        "weights": weights,
        "artifacts": artifacts,
        "parity": parity,
    }


def _other_precisions(plan: Plan, artifacts: Mapping[str, Any]) -> list[str]:
    """Say which networks run in another precision than was asked for, where the user allowed it."""
    assert plan.target is not None
    asked = plan.target.precision
    running = {name: facts["runs_as"].get("precision", asked) for name, facts in artifacts.items()}
    return [
        f"network '{name}' runs in {precision}, although {asked} was asked for"
        for name, precision in running.items()
        if precision != asked
    ]


def _score(plan: Plan, folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Compute metrics from the file of predictions, and from what was measured on the way."""
    assert plan.dataset is not None
    path = folder / PREDICTIONS
    metrics: dict[str, Any] = {}
    for name, metric in plan.metrics.items():
        items = Pairing(truths(plan, metric), read_predictions(path))
        metrics[name] = {**metric.compute(items), **metric.of_run(record)}
    if plan.options.official:
        plan.dataset.write_predictions(read_predictions(path), folder / "official")
    return metrics


def official_or_own(dataset: Dataset, path: Path) -> Iterator[Prediction]:
    """Read predictions: faceport's own file or run folder, or the dataset's official format."""
    if path.is_dir() and (path / PREDICTIONS).is_file():
        path = path / PREDICTIONS
    if not path.exists():
        raise FaceportError(f"predictions={path} does not exist (looked for at {path.absolute()})")
    return read_predictions(path) if path.suffix == ".jsonl" else dataset.read_predictions(path)
