"""What the fp32 reference says of the same pictures, for metrics that ask what a target changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from faceport.api import Metric
from faceport.artifacts.builder import Builder
from faceport.artifacts.recipe import network_recipe
from faceport.data.predictions import FILE, PredictionFile, read_predictions
from faceport.engine.engine import Engine
from faceport.errors import ConfigError, MissingError
from faceport.files import digest, disk_errors, write_atomically
from faceport.progress import progress
from faceport.runs.plan import Plan
from faceport.types import Sample

STATE = "fingerprint.txt"


def truths(plan: Plan, metric: Metric) -> Iterator[Sample]:
    """Stream the dataset with what a metric scores against: the truth, or what the reference says."""
    if not metric.against_reference:
        return plan.samples()
    said = read_predictions(reference_predictions(plan))
    pairs = zip(plan.samples(), said, strict=True)
    return (replace(sample, truth=prediction.faces) for sample, prediction in pairs)


def reference_predictions(plan: Plan) -> Path:
    """Run the fp32 reference of the model where that is not done yet; the jobs of a sweep share it."""
    if plan.model is None:
        raise ConfigError(
            "this metric compares with the fp32 reference of a model: choose the model (model=NAME), or name "
            "a run of its reference (metric.agreement.reference=runs/NAME)"
        )
    folder = reference_folder(plan)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    data = dict(plan.dataset.facts()) if plan.dataset is not None else {}
    with FileLock(folder / ".lock"):
        with _or_elsewhere():
            recipes = [network_recipe(network, plan.model) for network in plan.model.networks.values()]
        mark = digest([version("faceport"), recipes, data])
        state = folder / STATE
        fresh = not state.is_file() or state.read_text() != mark
        with PredictionFile(folder / FILE, fresh=fresh) as file:
            write_atomically(state, mark)
            if file.count < plan.count():
                _ask(plan, file)
    return folder / FILE


def reference_folder(plan: Plan) -> Path:
    """Choose the folder by what the reference depends on, which is not the target."""
    config = plan.config
    named = [(config.get(kind) or {}).get("name") for kind in ("detector", "model", "dataset")]
    stable = [plan.settled(), config.get("dataset"), plan.options.limit]
    return Path(plan.options.out) / "-".join(["reference", *filter(None, named), digest(stable)[:8]])


def _ask(plan: Plan, file: PredictionFile) -> None:
    """Send the samples that have no prediction yet through torch, or through the evaluator of ONNX itself."""
    assert plan.model is not None
    with _or_elsewhere():
        sessions = Builder(plan.model, None, "").references()
    engine = Engine(plan.model, sessions, plan.options.engine)
    todo = file.without_done(plan.questions())
    with progress("fp32 reference", plan.count()) as shown:
        shown.advance(file.count)
        for prediction in engine.run(todo):
            file.write(prediction)
            shown.advance()


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
