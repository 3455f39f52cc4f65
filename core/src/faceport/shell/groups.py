"""Hydra's config groups and primary configurations, made of the YAML files of all installed plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from hydra.core.config_store import ConfigStore

from faceport.plugins.index import Choice, installed
from faceport.plugins.kinds import KIND, VERB
from faceport.runs.chosen import NAME
from faceport.shell.offers import Offers
from faceport.shell.overrides import NOTHING

PROVIDER = "faceport"
# What every verb's configuration has around its own: options of the verb win over its groups, an experiment
# over both; Hydra writes nothing of its own.
LAST = ["_self_", {"experiment": None}]
QUIET = [{"override hydra/job_logging": "none"}, {"override hydra/hydra_logging": "none"}]


def register(offered: Offers, sweep: str = "") -> None:
    """Offer the options of all plugins as config groups, and those of one verb as the primary config."""
    index = installed()
    for kind in index.kinds.values():
        if kind in (VERB, KIND):
            continue
        for choice in index.choices(kind.name).values():
            _store(kind.name, choice, f"{kind.name}.{choice.name}" if kind.many else kind.name)
        if kind.many:
            _store_nothing(kind.name)
    for choice in index.detectors().values():
        _store("detector", choice, "detector")
    for choice in index.choices("dataset").values():
        _store("calibration/dataset", choice, "calibration.dataset")
    for group in ("detector", "calibration/dataset"):
        _store_nothing(group)
    groups = [{group: name} for group, name in offered.groups.items()]
    node = {"defaults": [*groups, *LAST, *QUIET], **offered.content, "hydra": _hydra(sweep)}
    ConfigStore.instance().store(name=offered.config_name, node=node, provider=PROVIDER)


def _hydra(sweep: str) -> dict[str, Any]:
    """Configure Hydra itself; the jobs of a sweep share a folder of its name."""
    return {
        "output_subdir": None,
        "run": {"dir": "."},
        "sweep": {"dir": f"${{out}}/sweeps/{sweep}".rstrip("/"), "subdir": "."},
        "job": {"name": "faceport", "chdir": False},
        "callbacks": {"faceport": {"_target_": "faceport.shell.sweeps.Begin"}} if sweep else {},
    }


def _store(group: str, choice: Choice, package: str) -> None:
    """Offer one choice, as NAME where that is its own and as PLUGIN/NAME."""
    node: dict[str, Any] = dict(choice.options)
    if group == choice.kind:  # what a name chooses in other groups counts where it is itself the main choice
        node = {"defaults": [*map(_anywhere, choice.choices), "_self_"], **node}
    store = partial(ConfigStore.instance().store, package=package, provider=PROVIDER)
    if installed().choices(choice.kind).get(choice.name) is choice:
        store(group=group, name=choice.name, node=node)
    if package != group.replace("/", "."):  # one key of several below the kind: the longer name stands inside
        node = {**node, NAME: choice.full}
    store(group=f"{group}/{choice.plugin}", name=choice.name, node=node)


def _store_nothing(group: str) -> None:
    """Let a group choose nothing by a name."""
    package = group.replace("/", ".")
    ConfigStore.instance().store(group=group, name=NOTHING, node={}, package=package, provider=PROVIDER)


def _anywhere(entry: Mapping[str, str]) -> dict[str, str]:
    """Let a plugin write 'override /detector: mtcnn': Hydra would look for the group below its own."""
    return {re.sub(r"^(override /)(\w+)$", r"\1\2@_global_.\2", key): name for key, name in entry.items()}
