"""Show what is installed, by kind, or the card of one name; no plugin's code is run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from faceport.catalogue.health import Fault, known_faults, longer_names, summary
from faceport.catalogue.presets import Preset, Presets, kinds_with_presets
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.plugins.index import Choice, installed
from faceport.plugins.yamls import dotted
from faceport.verb import Verb
from faceport.verbs.show.card import card_lines, names_lines, typed
from faceport.verbs.show.text import accept_all, print_sentence, width_of


@dataclass(frozen=True)
class ListOptions:
    """What to list."""

    what: list[str] = field(default_factory=list)  # KIND or KIND=NAME; nothing: everything


@dataclass(frozen=True, eq=False)
class Listing:
    """Names by kind, what a card is wanted of, and what is known to be broken."""

    names: Mapping[str, Mapping[str, str]]  # kind -> name -> its line
    cards: tuple[Choice | Preset, ...]
    broken: tuple[Fault, ...]
    unfit: tuple[str, ...] = ()  # what is wrong with presets
    longer: tuple[str, ...] = ()  # what has a longer name, and why


class List(Verb):
    """List what is installed."""

    Options = ListOptions
    options: ListOptions

    def act(self, config: Mapping[str, Any]) -> Listing:
        """Look up names and cards."""
        index, asked, yours = installed(), self.options.what, Presets()
        words = [word.partition("=") for word in asked] or [
            (kind, "", "") for kind in installed().shown_kinds()
        ]
        names = {index.kind(kind).name: names_of(kind) for kind, _, name in words if not name}
        cards = tuple(_card(yours, index.kind(kind).name, name) for kind, _, name in words if name)
        if asked:
            return Listing(names, cards, ())
        unfit = tuple(filter(None, map(_unfit, yours)))
        return Listing(names, cards, tuple(known_faults()), unfit, tuple(longer_names()))

    def show(self, outcome: Listing) -> int:
        """Print names with their lines, cards with their options, faults last."""
        width = width_of(accept_all(sys.stdout))
        for kind, names in outcome.names.items():
            print(f"{kind}:" if names else f"{kind}: none installed")
            print_lines(names_lines(names, width))
        for number, choice in enumerate(outcome.cards):
            print_lines([*([""] if number else []), *card_lines(choice, width)])
        for fault in outcome.broken:
            print_sentence(printable(f"broken: plugin {fault.plugin.title}: {fault.reason}"), 2)
        for sentence in outcome.unfit:
            print_sentence(printable(f"broken: {sentence}"), 2)
        for sentence in outcome.longer:
            print_sentence(printable(f"note: {sentence}"), 2)
        return 0


def print_lines(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        print(line)


def names_of(kind: str) -> dict[str, str]:
    """List the names of a kind, each with its line; presets of this folder behind what plugins bring."""
    lines = {name: summary(choice) for name, choice in sorted(installed().choices(kind).items())}
    if kind not in kinds_with_presets():
        return lines
    mine = sorted(Presets().of(kind).items())
    return lines | {f"{name} (yours)": _line(one) for name, one in mine if not _unfit(one)}


def _line(preset: Preset) -> str:
    values = ", ".join(f"{key}={typed(value)}" for key, value in dotted(preset.values))
    return f"{preset.owned}{f' with {values}' if values else ''}"


def _unfit(preset: Preset) -> str:
    """Say what is wrong with a preset; empty for a good one."""
    try:
        preset.others.check(preset.group, preset.name)
    except FaceportError as error:
        return str(error)
    return ""


def _card(yours: Presets, kind: str, name: str) -> Choice | Preset:
    if kind not in kinds_with_presets():
        return installed().find(kind, name)
    yours.check(kind, name)
    return yours.find(kind, name) or installed().find(kind, name)
