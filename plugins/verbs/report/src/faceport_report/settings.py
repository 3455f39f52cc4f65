"""The options of runs as dotted keys, and those among them that tell runs apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from faceport.runs.chosen import NAME
from faceport.runs.folder import VOLATILE

Settings = Mapping[str, str]
MAIN = ("model", "detector", "target", "target.precision", "dataset")  # what a run is called by


def flat(config: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Write options as dotted keys; the name of what was chosen stands for its group."""
    found: dict[str, str] = {}
    for key, value in config.items():
        if not above and key in VOLATILE:
            continue
        name = above.rstrip(".") if key == NAME and above else f"{above}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = typed(value)
    return found


def typed(value: Any) -> str:
    """Write a value as it is typed on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(typed, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def varied(all_settings: Sequence[Settings]) -> list[str]:
    """List what tells runs apart, what they are called by first; nothing that follows from another."""
    keys = [*MAIN, *dict.fromkeys(key for one in all_settings for key in one if key not in MAIN)]
    differing = [key for key in keys if len({one.get(key, "") for one in all_settings}) > 1]
    apart: list[str] = []
    for key in differing:
        before = {tuple(one.get(known, "") for known in apart) for one in all_settings}
        after = {tuple(one.get(known, "") for known in (*apart, key)) for one in all_settings}
        if len(after) > len(before):
            apart.append(key)
    return apart or ["model", "target"]


def labels(all_settings: Sequence[Settings]) -> list[str]:
    """Call each run by what tells it apart, as short as it can be told."""
    keys = list(dict.fromkeys(["model", *varied(all_settings)]))
    return [
        " ".join(_word(key, one.get(key, "")) for key in keys if one.get(key, "")) for one in all_settings
    ]


def _word(key: str, value: str) -> str:
    bare = key in MAIN
    return value if bare else f"{key.rpartition('.')[2]}={value}"
