"""What the fp32 reference says of the same pictures, for metrics that ask what a target changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from faceport.api import Metric
from faceport.data.predictions import FILE, PredictionFile, read_predictions
from faceport.engine.engine import Engine
from faceport.errors import ConfigError, MissingError
from faceport.files import disk_errors
from faceport.networks.reference import references
from faceport.progress import progress
from faceport.runs.folder import is_marked, named_folder, reference_mark, write_mark
from faceport.runs.plan import Plan
from faceport.types import Sample


def truths(plan: Plan, metric: Metric) -> Iterator[Sample]:
    """Stream the dataset with what a metric scores against: the truth, or what the reference says."""
    if not metric.against_reference:
        return plan.samples()
    answers = read_predictions(reference_predictions(plan))
    pairs = zip(plan.samples(), answers, strict=True)
    return (replace(sample, truth=prediction.faces) for sample, prediction in pairs)


def reference_predictions(plan: Plan, fresh: bool = False) -> Path:
    """Run the fp32 reference of the model where that is not done yet; the jobs of a sweep share it."""
    if "model" not in plan.parts:
        raise ConfigError(
            "this metric compares with the fp32 reference of a model: choose the model (model=NAME), or name "
            "a run of its reference (metric.agreement.reference=runs/NAME)"
        )
    folder = reference_folder(plan)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        with _or_elsewhere():
            mark = reference_mark(plan)
        stale = fresh or not is_marked(folder, mark)
        with PredictionFile(folder / FILE, fresh=stale) as file:
            write_mark(folder, mark)
            if file.count < plan.count():
                _ask(plan, file)
    return folder / FILE


def reference_folder(plan: Plan) -> Path:
    """Choose the folder by what the reference depends on, which is not the target."""
    config = plan.config
    stable = [plan.settled(), config.get("dataset"), plan.portion.limit, plan.portion.part]
    return named_folder(config, "reference", ("detector", "model", "dataset"), stable)


def _ask(plan: Plan, file: PredictionFile) -> None:
    """Send the samples that have no prediction yet through torch, or through the evaluator of ONNX itself."""
    with _or_elsewhere():
        sessions = references(plan.model)
    engine = Engine(plan.model, sessions, plan.settings)
    todo = file.without_done(plan.questions())
    with progress("fp32 reference", plan.count()) as shown:
        shown.advance(file.count)
        for prediction in shown.over(engine.run(todo)):
            file.write(prediction)


@contextmanager
def _or_elsewhere() -> Iterator[None]:
    """Say what helps where torch or the weights are missing."""
    try:
        yield
    except MissingError as error:
        raise MissingError(
            f"the fp32 reference to compare with cannot run here: {error}. Or name a run of it, made "
            "elsewhere: metric.agreement.reference=runs/NAME"
        ) from error
