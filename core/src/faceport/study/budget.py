"""Keep the fewest nodes in float so that int8 stays within a budget of accuracy."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faceport.api import Metric, Target
from faceport.data.predictions import PredictionFile, read_predictions
from faceport.engine.engine import Engine
from faceport.errors import ConfigError, FaceportError
from faceport.files import write_atomically
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.progress import working
from faceport.runs.options import PortionOptions
from faceport.runs.plan import Plan
from faceport.runs.scoring import score
from faceport.study.diagnose import NodeReport, examine

LIST = "exclude.txt"
MOST = 200  # pictures that the search looks at
MOST_TOLD = 4  # numbers named beside those of float
Measure = Callable[[Target], Mapping[str, float]]  # the numbers that a target gives


@dataclass(frozen=True)
class Outcome:
    """The target that stays within the budget, and what it took."""

    target: Target
    excluded: tuple[str, ...]  # NETWORK:NODE
    baseline: Mapping[str, float]  # in float
    plain: Mapping[str, float]  # everything in int8
    mixed: Mapping[str, float]  # with the exclude list
    candidates: int  # nodes that could have been kept in float
    trials: int
    within: bool

    def facts(self) -> dict[str, Any]:
        """Describe the search for a record."""
        return {
            "excluded": list(self.excluded),
            "candidates": self.candidates,
            "trials": self.trials,
            "float": dict(self.baseline),
            "int8": dict(self.plain),
            "kept": dict(self.mixed),
            "within": self.within,
        }


def keep_within_budget(plan: Plan, folder: Path) -> tuple[Plan, dict[str, Any]]:
    """Give the plan for a target that stays within its accuracy budget, and what the search was like."""
    budget = plan.target.knobs.accuracy_budget
    if budget is None or plan.bundle:
        return plan, {}
    if plan.target.precision == "fp32":
        note = "target.accuracy_budget does nothing in fp32: it is for int8 (target.precision=int8)"
        return replace(plan, notes=(*plan.notes, note)), {}
    metrics = _watched(plan)
    limit = min(plan.portion.limit or MOST, MOST)
    # Its metrics judge the target, not the outputs of its networks.
    plan = replace(plan, checks=replace(plan.checks, tolerance=math.inf))
    trial = replace(plan, portion=PortionOptions(limit, plan.portion.part), metrics=metrics)
    readable: set[str] = set()
    with working(f"looking for the nodes that must stay in float (accuracy_budget={budget:g})"):
        outcome = search(
            plan.target,
            budget,
            lambda target: _measure(trial.with_target(target), folder, readable),
            lambda target: _rank(trial.with_target(target)),
        )
    listed = "[" + ",".join(f'"{name}"' for name in outcome.excluded) + "]"
    write_atomically(folder / LIST, listed + "\n")
    note = _note(outcome, budget, len(readable), trial.count(), folder)
    plan = replace(plan.with_target(outcome.target), notes=(*plan.notes, note))
    return plan, {"budget": budget, "pictures": len(readable), **outcome.facts()}


def _note(outcome: Outcome, budget: float, pictures: int, asked: int, folder: Path) -> str:
    verdict = "stays within" if outcome.within else "CANNOT be kept within"
    lost = f" ({asked - pictures} more could not be read)" if asked > pictures else ""
    note = (
        f"int8 {verdict} accuracy_budget={budget:g} on {pictures} of the run's pictures{lost}, "
        f"{_held_against(outcome)}, with "
    )
    if not outcome.excluded:
        return note + "no node in float"
    return (
        f"{note}{len(outcome.excluded)} of {outcome.candidates} nodes in float; to use the list again: "
        f'"target.exclude=$(cat {folder / LIST})"'
    )


def _held_against(outcome: Outcome) -> str:
    """Name each number beside that of float, the one that moved most first."""
    pairs = [(name, outcome.mixed.get(name, math.nan), value) for name, value in outcome.baseline.items()]
    pairs.sort(key=lambda pair: abs(pair[1] - pair[2]), reverse=True)
    numbers = [
        f"{name} {own:.4g} (in {outcome.target.soundest} {value:.4g})"
        for name, own, value in pairs[:MOST_TOLD]
    ]
    more = f" and {len(pairs) - MOST_TOLD} that moved less" if len(pairs) > MOST_TOLD else ""
    return ", ".join(numbers) + more


def search(
    target: Target, budget: float, measure: Measure, rank: Callable[[Target], Sequence[NodeReport]]
) -> Outcome:
    """Find the shortest head of the ranking that, kept in float, brings every number within the budget.

    More nodes in float are taken to do no harm, so the length is found by bisection.
    """
    baseline = measure(_with(target, precision=target.soundest))
    if not any(map(math.isfinite, baseline.values())):
        watched = f" ({', '.join(baseline)})" if baseline else ""
        raise FaceportError(
            f"accuracy_budget: there is nothing to watch, fp32 gives no number{watched} on these pictures"
        )
    plain = measure(target)
    if loss(baseline, plain) <= budget:
        return Outcome(target, (), baseline, plain, plain, 0, 2, True)
    already = list(target.knobs.exclude)
    ranked = [f"{r.network}:{r.node}" for r in sorted(rank(target), key=lambda r: -(r.caused or 0))]
    ranked = [name for name in ranked if name not in already]
    trials: dict[int, tuple[Target, Mapping[str, float]]] = {0: (target, plain)}

    def fits(count: int) -> bool:
        if count not in trials:
            trial = _with(target, exclude=[*already, *ranked[:count]])
            trials[count] = (trial, measure(trial))
        return loss(baseline, trials[count][1]) <= budget

    low, high = 0, min(1, len(ranked))  # low does not fit
    while high < len(ranked) and not fits(high):
        low, high = high, min(2 * high, len(ranked))
    within = fits(high)
    while within and high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    best, numbers = trials[high]
    excluded = tuple(ranked[:high])
    return Outcome(best, excluded, baseline, plain, numbers, len(ranked), len(trials) + 1, within)


def loss(baseline: Mapping[str, float], numbers: Mapping[str, float]) -> float:
    """Measure how far the worst of the numbers is from what float gives; one that is lost is far."""
    distances = [
        abs(numbers.get(name, math.inf) - value) for name, value in baseline.items() if math.isfinite(value)
    ]
    return max(math.inf if math.isnan(one) else one for one in distances)


def _with(target: Target, **options: Any) -> Target:
    """Copy a target with other options; with every node in float it may well report another precision."""
    return target.with_options(allow_fallback=True, **options)


def _watched(plan: Plan) -> dict[str, Metric]:
    """Choose the metrics that are watched: those of the run, or agreement where there is no truth."""
    judges = {name: metric for name, metric in plan.metrics.items() if metric.truth}
    judges = judges or {name: metric for name, metric in plan.metrics.items() if metric.watched}
    if judges:
        return judges
    for name in installed().choices("metric"):
        metric: Metric = create("metric", name)
        if metric.against_reference:
            return {name: metric}
    raise ConfigError(
        "accuracy_budget needs a metric to watch: choose one that this dataset has the truth for, or "
        "install faceport-agreement"
    )


def _measure(plan: Plan, folder: Path, readable: set[str]) -> dict[str, float]:
    """Run a target on the pictures and compute the numbers that are watched; note which could be read."""
    built = plan.build(plan.first_questions())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            path = Path(place) / "trial.jsonl"
            with PredictionFile(path) as file:
                for prediction in Engine(plan.model, built.sessions, plan.settings).run(plan.questions()):
                    file.write(prediction)
                    if not prediction.error:
                        readable.add(prediction.id)
            numbers = score(plan, lambda: read_predictions(path), None)
    finally:
        built.close()
    return {
        f"{name}.{key}": value
        for name, metric in plan.metrics.items()
        for key, value in numbers[name].items()
        if isinstance(value, float) and (not metric.watched or key in metric.watched)
    }


def _rank(plan: Plan) -> list[NodeReport]:
    """Diagnose every network of the model on a target."""
    builder = plan.builder(plan.first_questions())
    return [report for _, reports in examine(plan.model, builder) for report in reports]
