"""The command that repeats a run, as short as it can be written."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from faceport.plugins.index import installed
from faceport.plugins.kinds import kind_of
from faceport.runs.chosen import NAME
from faceport_report.settings import typed

GROUPS = ("detector", "model", "target", "dataset")
UNSAID = ("out", "record", "fresh", "part", "published")


def command(config: Mapping[str, Any], verb: str = "run") -> str:
    """Write the words of a run: what was chosen, and the options that are not the default."""
    words = ["faceport", verb]
    for group in (*GROUPS, *_own_groups(verb)):
        content = config.get(group)
        if content:
            words += [f"{group}={content[NAME]}", *_options(group, group, content)]
    metrics = config.get("metric") or {}
    if metrics:
        words.append(f"metric=[{','.join(metrics)}]")
        for name, content in metrics.items():
            words += _options("metric", f"metric.{name}", {NAME: name, **(content or {})})
    known = _defaults("verb", verb)
    for key, value in config.items():
        if (
            key in known
            and key not in (*UNSAID, "metric", *_own_groups(verb))
            and not isinstance(value, Mapping)
        ):
            words += [] if typed(value) == typed(known[key]) else [f"{key}={typed(value)}"]
    if config.get("part"):
        words.append(f"part={config['part']}")
    calibration = config.get("calibration") or {}
    if isinstance(calibration.get("dataset"), Mapping):
        chosen = calibration["dataset"]
        words += [f"calibration.dataset={chosen[NAME]}"]
        words += _options("dataset", "calibration.dataset", chosen)
    return " ".join(shlex.quote(word) for word in words)


def _own_groups(verb: str) -> list[str]:
    """List the groups of a verb that others do not have, such as a scenario."""
    choice = installed().get("verb", verb)
    groups = [group for entry in (choice.choices if choice else ()) for group in entry]
    return [group for group in groups if group not in (*GROUPS, "metric") and "/" not in group]


def _options(group: str, prefix: str, content: Mapping[str, Any]) -> list[str]:
    known = _defaults(kind_of(group), str(content[NAME]))
    return [
        f"{prefix}.{key}={typed(value)}"
        for key, value in content.items()
        if key != NAME and not isinstance(value, Mapping) and typed(known.get(key)) != typed(value)
    ]


def _defaults(kind: str, name: str) -> Mapping[str, Any]:
    """Give the defaults of what is installed; nothing is known of what is not."""
    choice = installed().get(kind, name)
    return choice.options if choice else {}
