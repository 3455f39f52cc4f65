"""Curves of a run: from its record, or made anew of its predictions where the data are here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from faceport.api import Metric, Scored
from faceport.data.predictions import FILE as PREDICTIONS
from faceport.data.predictions import read_predictions
from faceport.runs.options import PortionOptions
from faceport.runs.pairing import Pairing
from faceport.runs.plan import Plan, make_plan
from faceport.runs.records import Run
from faceport.types import Sample

POINTS = 160  # of a curve on the page
NAMES = {"curve": True, "curves": True, "bootstrap": 0}  # options that ask a metric for its curves


@dataclass(frozen=True)
class Curve:
    """A line on the page."""

    kind: str  # "Precision and recall", ...
    name: str  # which of several of a run; empty: the only one
    x: tuple[float, ...]
    y: tuple[float, ...]
    x_title: str
    y_title: str
    log: bool = False  # of x


@dataclass(frozen=True)
class Opened:
    """A run whose predictions and data are here."""

    plan: Plan
    samples: tuple[Sample, ...]
    items: tuple[Scored, ...]


def opened(run: Run) -> Opened | str:
    """Open predictions and data of a run, or say what is missing."""
    path = run.folder / PREDICTIONS
    if run.record.predictions:
        return "its predictions are those of another file"
    if not path.is_file():
        return f"{PREDICTIONS} is not beside the record"
    try:
        config = {**run.record.config, "detector": None, "model": None, "target": None, "metric": None}
        portion = PortionOptions(config.get("limit"), config.get("part"))
        plan = make_plan(config, portion)
        if dict(plan.dataset.facts()) != dict(run.record.data):
            return "the data here are others than those of the record"
        samples = tuple(plan.samples())
        return Opened(plan, samples, tuple(Pairing(iter(samples), read_predictions(path))))
    except Exception as error:  # of a plugin that a page can do without
        return f"its data cannot be read here: {error}"


def curves(run: Run, found: Opened | str) -> list[Curve]:
    """List the curves of a run."""
    drawn = []
    for name, values in run.record.metrics.items():
        known = _read(values)
        if not known and not isinstance(found, str):
            known = _read(_again(run, name, found))
        drawn += known
    return drawn


def metric_of(run: Run, name: str, **changes: Any) -> Metric:
    """Make a metric of a run with options that it has among some others."""
    from faceport.plugins.loading import create

    content = dict(run.record.config.get("metric") or {}).get(name) or {}
    made: Metric = create("metric", name, **{key: value for key, value in content.items() if key != "name"})
    own = {item.name for item in fields(made.options)}
    changed = {key: value for key, value in changes.items() if key in own}
    return type(made)(replace(made.options, **changed)) if changed else made


def _again(run: Run, name: str, found: Opened) -> Mapping[str, Any]:
    try:
        metric = metric_of(run, name, **NAMES)
        asked = {item.name for item in fields(metric.options)} & {"curve", "curves"}
        if not asked or metric.against_reference:
            return {}
        return metric.compute(iter(found.items))
    except Exception:  # of a plugin that a page can do without
        return {}


def _read(values: Mapping[str, Any]) -> list[Curve]:
    """Know curves by their axes."""
    drawn = []
    curve = values.get("curve") or {}
    if {"error", "share"} <= set(curve):
        ced = ("Cumulative error of landmarks", "", "error, in units of the norm", "share of faces")
        drawn.append(_thin(*ced, curve["error"], curve["share"]))
    if {"far", "tar"} <= set(curve):
        roc = ("Verification (ROC)", "", "false accept rate", "true accept rate")
        drawn.append(_thin(*roc, curve["far"], curve["tar"], log=True))
    for level, one in (values.get("curves") or {}).items():
        if isinstance(one, Mapping) and {"precision", "recall"} <= set(one):
            drawn.append(
                _thin("Precision and recall", level, "recall", "precision", one["recall"], one["precision"])
            )
    return drawn


def _thin(kind: str, name: str, x_title: str, y_title: str, x: Any, y: Any, log: bool = False) -> Curve:
    """Keep as many points as the eye can tell apart, none that is no number."""
    points = np.array([x, y], float)
    points = points[:, np.isfinite(points).all(axis=0)]
    if log:
        points = points[:, points[0] > 0]
    at = np.unique(np.linspace(0, max(points.shape[1] - 1, 0), POINTS).astype(int))[: points.shape[1]]
    xs, ys = (tuple(np.round(row[at], 5).tolist()) for row in points)
    return Curve(kind, name, xs, ys, x_title, y_title, log)
