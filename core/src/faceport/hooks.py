"""The four hooks of a plugin: each answers with the classes behind the names of its YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from faceport.api import Dataset, Metric, Model, Target

hookspec = pluggy.HookspecMarker("faceport")
hookimpl = pluggy.HookimplMarker("faceport")

HOOKS = {"model": "models", "target": "targets", "dataset": "datasets", "metric": "metrics"}


@hookspec
def models() -> Mapping[str, type[Model]]:  # type: ignore[empty-body]
    """Answer with Model classes by the name of their YAML in conf/model/."""


@hookspec
def targets() -> Mapping[str, type[Target]]:  # type: ignore[empty-body]
    """Answer with Target classes by the name of their YAML in conf/target/."""


@hookspec
def datasets() -> Mapping[str, type[Dataset]]:  # type: ignore[empty-body]
    """Answer with Dataset classes by the name of their YAML in conf/dataset/."""


@hookspec
def metrics() -> Mapping[str, type[Metric]]:  # type: ignore[empty-body]
    """Answer with Metric classes by the name of their YAML in conf/metric/."""
