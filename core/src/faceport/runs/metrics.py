"""Which metrics score a run: those that were chosen, or those that the dataset recommends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faceport.api import Dataset, Metric, Model
from faceport.errors import ConfigError
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.runs.advice import listed
from faceport.runs.chosen import NAME, of


def choose_metrics(
    chosen: Mapping[str, Mapping[str, Any] | None], dataset: Dataset | None, model: Model | None
) -> tuple[dict[str, Metric], tuple[str, ...]]:
    """Make metrics by name, with notes about absent ones; a chosen one that cannot score is refused."""
    provided = model.provides | model.needs if model is not None else None
    if chosen:
        metrics = {}
        for key, options in chosen.items():
            content = of({NAME: key, **(options or {})})  # the name says more than the key: PLUGIN/NAME
            metrics[content.name] = content.make("metric")
        for name, metric in metrics.items():
            why = _unfit(metric, dataset, provided)
            if why:
                raise ConfigError(f"metric={name} cannot score this: {why}")
        return metrics, ()
    recommended = dataset.metrics if dataset is not None else ()
    absent = [name for name in recommended if name not in installed().choices("metric")]
    metrics = {name: create("metric", name) for name in recommended if name not in absent}
    fit = {name: metric for name, metric in metrics.items() if not _unfit(metric, dataset, provided)}
    notes = [f"metric '{name}' of this dataset is not installed: no number of it" for name in absent]
    if recommended and not fit:
        unfit = [f"{name}: {_unfit(metric, dataset, provided)}" for name, metric in metrics.items()]
        notes += [f"nothing is scored: {'; '.join(unfit) or 'no metric fits'}. Choose metric=NAME"]
    return fit, tuple(notes)


def _unfit(metric: Metric, dataset: Dataset | None, provided: frozenset[str] | None) -> str:
    """Say why a metric cannot score; empty when it can."""
    lacking = metric.truth - (dataset.truth if dataset is not None else frozenset())
    if lacking:
        return f"it needs the truth of {listed(lacking)}, which the dataset does not have"
    lacking = metric.needs - provided if provided is not None else frozenset()
    if lacking:
        gives = listed(provided or ())
        return f"it needs {listed(lacking)}, which the model does not provide (it gives {gives})"
    return ""
