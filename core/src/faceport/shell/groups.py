"""Hydra's config groups and primary configurations, made of the YAML files of all installed plugins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from hydra.core.config_store import ConfigStore

from faceport.catalogue.presets import Presets, kinds_with_presets
from faceport.errors import FaceportError
from faceport.plugins.index import Choice, installed
from faceport.plugins.kinds import KIND, VERB, kind_of
from faceport.runs.chosen import NAME
from faceport.shell.offers import Offers
from faceport.shell.overrides import NOTHING

PROVIDER = "faceport"
ALL_GROUPS = ("detector", "model", "target", "dataset", "metric")  # of the core's own verbs
# What every verb's configuration has around its own: options of the verb win over its groups, an experiment
# over both; Hydra writes nothing of its own.
LAST = ["_self_", {"experiment": None}]
QUIET = [{"override hydra/job_logging": "none"}, {"override hydra/hydra_logging": "none"}]


_presets: set[tuple[str, str]] = set()  # that were offered: another command may have others


def register(offered: Offers, yours: Presets, sweep: str = "") -> None:
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
    inner = {"calibration/dataset", *(group for group in offered.groups if "/" in group)}
    for group in sorted(inner):  # SECTION/KIND: one more of a kind, for a section of options
        for choice in index.choices(kind_of(group)).values():
            _store(group, choice, group.replace("/", "."))
    for group in ("detector", *sorted(inner)):
        _store_nothing(group)
    _store_presets(("detector", *sorted(inner), *kinds_with_presets()), yours)
    strange = {*ALL_GROUPS, *inner} - {*offered.groups}  # an experiment for other verbs may choose them
    groups = [{group: name} for group, name in offered.groups.items()]
    groups += [{group: None} for group in sorted(strange)]
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


def _store_presets(groups: Iterable[str], yours: Presets) -> None:
    """Offer a user's presets, in the place of those of an earlier command; broken ones are left out."""
    while _presets:
        group, name = _presets.pop()
        ConfigStore.instance()._open(group).pop(f"{name}.yaml", None)
    for group in groups:
        package = group.replace("/", ".")
        for name, preset in yours.of(group).items():
            try:
                yours.check(group, name)
                owned, many = preset.owned, installed().kinds[preset.base.kind].many
            except FaceportError:
                continue  # whoever chooses it is told why
            node: dict[str, Any] = {**preset.options, **({NAME: owned} if "/" in owned and many else {})}
            if group == preset.base.kind:
                node = {"defaults": [*map(_anywhere, preset.choices), "_self_"], **node}
            ConfigStore.instance().store(
                group=group,
                name=name,
                node=node,
                package=f"{package}.{preset.base.name}" if many else package,
                provider=PROVIDER,
            )
            _presets.add((group, name))


def _store_nothing(group: str) -> None:
    """Let a group choose nothing by a name."""
    package = group.replace("/", ".")
    ConfigStore.instance().store(group=group, name=NOTHING, node={}, package=package, provider=PROVIDER)


def _anywhere(entry: Mapping[str, str]) -> dict[str, str]:
    """Let a plugin write 'override /detector: mtcnn': Hydra would look for the group below its own."""
    return {re.sub(r"^(override /)(\w+)$", r"\1\2@_global_.\2", key): name for key, name in entry.items()}
