"""Show what is installed, by kind, or the card of one name; no plugin's code is run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from faceport.escapes import printable
from faceport.plugins.health import Fault, known_faults, summary
from faceport.plugins.index import Choice, installed
from faceport.verb import Verb
from faceport.verbs.show.card import card_lines, names_lines
from faceport.verbs.show.text import accept_all, print_sentence, width_of


@dataclass(frozen=True)
class ListOptions:
    """What to list."""

    what: list[str] = field(default_factory=list)  # KIND or KIND=NAME; nothing: everything


@dataclass(frozen=True, eq=False)
class Listing:
    """Names by kind, what a card is wanted of, and what is known to be broken."""

    names: Mapping[str, Mapping[str, str]]  # kind -> name -> its line
    cards: tuple[Choice, ...]
    broken: tuple[Fault, ...]


class List(Verb):
    """List what is installed."""

    Options = ListOptions
    options: ListOptions

    def act(self, config: Mapping[str, Any]) -> Listing:
        """Look up names and cards."""
        index, asked = installed(), self.options.what
        words = [word.partition("=") for word in asked] or [
            (kind, "", "") for kind in installed().shown_kinds()
        ]
        names = {index.kind(kind).name: names_of(kind) for kind, _, name in words if not name}
        cards = tuple(index.find(index.kind(kind).name, name) for kind, _, name in words if name)
        return Listing(names, cards, () if asked else tuple(known_faults()))

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
        return 0


def print_lines(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        print(line)


def names_of(kind: str) -> dict[str, str]:
    """List the names of a kind, each with its line."""
    return {name: summary(choice) for name, choice in sorted(installed().choices(kind).items())}
