"""Before an int8 run with an accuracy budget: find the nodes that must stay in float."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from faceport.api import Metric, Scored
from faceport.data.predictions import PredictionFile, read_predictions
from faceport.engine.engine import Engine
from faceport.errors import ConfigError
from faceport.files import write_atomically
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.progress import working
from faceport.runs.pairing import Pairing
from faceport.runs.plan import Plan
from faceport.runs.reference import truths
from faceport.study.budget import search
from faceport.study.diagnose import NodeReport, examine

LIST = "exclude.txt"
MOST = 200  # pictures that the search looks at


def keep_within_budget(plan: Plan, folder: Path) -> dict[str, Any] | None:
    """Give the plan a target that stays within its accuracy budget; None where it has none."""
    assert plan.target is not None
    options = plan.target.options
    budget = getattr(options, "accuracy_budget", None)
    if budget is None or plan.bundle or plan.target.precision == "fp32":
        return None
    metrics = _watched(plan)
    if plan.options.limit is None or plan.options.limit > MOST:
        searched = dataclasses.replace(plan.options, limit=MOST, tolerance=math.inf)
    else:
        searched = dataclasses.replace(plan.options, tolerance=math.inf)
    trial = dataclasses.replace(plan, options=searched)
    with working(f"looking for the nodes that must stay in float (accuracy_budget={budget:g})"):
        found = search(
            plan.target,
            budget,
            lambda target: _measure(dataclasses.replace(trial, target=target), metrics, folder),
            lambda target: _rank(dataclasses.replace(trial, target=target)),
        )
    plan.target = found.target
    plan.options = dataclasses.replace(plan.options, tolerance=math.inf)  # its metrics judge, not its outputs
    listed = "[" + ",".join(f'"{name}"' for name in found.excluded) + "]"
    write_atomically(folder / LIST, listed + "\n")
    pictures = min(trial.count(), MOST)
    verdict = "stays within" if found.within else "CANNOT be kept within"
    note = f"int8 {verdict} accuracy_budget={budget:g} on {pictures} of the run's pictures with "
    if found.excluded:
        note += f"{len(found.excluded)} of {found.candidates} nodes in float; to use the list again: "
        note += f'"target.exclude=$(cat {folder / LIST})"'
    else:
        note += "no node in float"
    plan.notes.append(note)
    return {"budget": budget, "pictures": pictures, **found.facts()}


def _watched(plan: Plan) -> dict[str, Metric]:
    """Choose the metrics that are watched: those of the run, or agreement where there is no truth."""
    judges = {name: metric for name, metric in plan.metrics.items() if metric.truth}
    judges = judges or {name: metric for name, metric in plan.metrics.items() if metric.watched}
    if judges:
        return judges
    if "agreement" not in installed().choices("metric"):
        raise ConfigError(
            "accuracy_budget needs a metric to watch: choose one that this dataset has the truth for, or "
            "install faceport-agreement"
        )
    return {"agreement": create("metric", "agreement")}


def _measure(plan: Plan, metrics: Mapping[str, Metric], folder: Path) -> dict[str, float]:
    """Run a target on the pictures and compute the numbers that are watched."""
    assert plan.model is not None
    built = plan.build(plan.first_questions())
    numbers: dict[str, float] = {}
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            path = Path(place) / "trial.jsonl"
            with PredictionFile(path) as file:
                for prediction in Engine(plan.model, built.sessions, plan.options.engine).run(
                    plan.questions()
                ):
                    file.write(prediction)
            for name, metric in metrics.items():
                items: Sequence[Scored] = list(Pairing(truths(plan, metric), read_predictions(path)))
                for key, value in metric.compute(items).items():
                    if isinstance(value, float) and (not metric.watched or key in metric.watched):
                        numbers[f"{name}.{key}"] = value
    finally:
        built.close()
    return numbers


def _rank(plan: Plan) -> list[NodeReport]:
    """Diagnose every network of the model on a target."""
    builder = plan.builder(islice(plan.questions(), plan.options.parity))
    return [report for _, reports in examine(plan, builder) for report in reports]
