"""The card of one thing that is installed: what it is, and each option with its meaning.

Light: `faceport list` waits for it, and no plugin's code is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from faceport.catalogue.meanings import options, types
from faceport.catalogue.presets import Preset
from faceport.plugins.index import Choice, installed
from faceport.plugins.yamls import dotted
from faceport.verbs.show.table import Column, lines, plain, row
from faceport.verbs.show.text import wrap

HIDDEN = (
    "help",
    "conformance",
    "harmless",
    "numbers",
    "order",
    "words",
    "completes",
    "sweep",
)  # of no use to a reader
MATCH = "match"  # what an entry of `accuracy` is compared by: its protocol says it in words
FACTS = (Column(), Column(prose=True))
OPTIONS = (
    Column("option"),
    Column("default", least=12),
    Column("type"),
    Column("meaning", prose=True),
)


def names_lines(names: Mapping[str, str], width: int | None) -> list[str]:
    """Write names with their lines."""
    rows = [row(f"  {name}", line) for name, line in names.items()]
    return [plain(line) for line in lines(FACTS, rows, width)]


def card_lines(shown: Choice | Preset, width: int | None) -> list[str]:
    """Write everything that is known of a choice, or of a preset, without running code."""
    choice = shown.base if isinstance(shown, Preset) else shown
    plugin, card = installed().plugin(choice.plugin), dict(choice.card)
    whose = f"yours, based on {choice.name}" if isinstance(shown, Preset) else plugin.distribution
    heading = (
        f"{choice.kind} {shown.name} ({whose}{'' if isinstance(shown, Preset) else f' {plugin.version}'})"
    )
    facts = {key: value for key, value in card.items() if key not in (*HIDDEN, "summary")}
    rows = [line for key, value in facts.items() for line in _fact(key, _worded(key, value))]
    rows.append(row("file", str(shown.path)))
    written = [*wrap(heading, width), *wrap(str(card.get("summary", "")), width)]
    written += [plain(line) for line in lines(FACTS, rows, width)]
    known = options(choice)
    if not known:
        return [*written, "no options"]
    declared = types(choice)
    values = dict(dotted(shown.options))
    table = [
        row(one.key, typed(values.get(one.key)), declared.get(one.key, ""), one.meaning) for one in known
    ]
    return [*written, "", *(plain(line) for line in lines(OPTIONS, table, width))]


def _worded(key: str, value: Any) -> Any:
    """Say of counts what they count."""
    if key == "parameters":
        return f"{value:,}"
    if key == "macs":
        return f"{value:,} multiply-adds (FLOPs = 2 x MACs = {2 * value:,})"
    return value


def _fact(key: str, value: Any) -> Iterator[list[Any]]:
    """Write a fact in one or several lines; what is below it is indented."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            facts = {name: fact for name, fact in item.items() if name != MATCH}
            yield from _mapping("" if number else key, facts)
    elif isinstance(value, Mapping) and any(isinstance(item, Mapping | str) for item in value.values()):
        yield from _mapping(key, value)
    else:
        yield row(key, _flow(value))


def _mapping(key: str, content: Mapping[str, Any]) -> Iterator[list[Any]]:
    for number, (name, value) in enumerate(content.items()):
        yield row("" if number else key, f"{'  ' if number else ''}{name}: {_flow(value)}")


def _flow(value: Any) -> str:
    """Write a value in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_flow(item)}" for name, item in value.items())
    if isinstance(value, list):
        nested = any(isinstance(item, list) for item in value)
        return typed(value) if nested else ", ".join(map(_flow, value)) or "nothing"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def typed(value: Any) -> str:
    """Write a value as it is typed on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(typed, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}: {typed(item)}" for name, item in value.items()) + "}"
    return str(value)
