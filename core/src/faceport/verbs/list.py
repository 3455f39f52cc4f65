"""Show what is installed, by kind, or the card of one name; no plugin's code is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from faceport.plugins.health import Fault, known_faults, summary
from faceport.plugins.index import Choice, installed
from faceport.verb import Verb


@dataclass(frozen=True)
class ListOptions:
    """What to list."""

    what: list[str] = field(default_factory=list)  # KIND or KIND=NAME; nothing: everything


@dataclass(frozen=True, eq=False)
class Listing:
    """Names by kind, cards, and what is known to be broken."""

    names: Mapping[str, Mapping[str, str]]  # kind -> name -> its line
    cards: tuple[Mapping[str, Any], ...]
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
        cards = tuple(card(index.find(kind, name)) for kind, _, name in words if name)
        return Listing(names, cards, () if asked else tuple(known_faults()))

    def show(self, outcome: Listing) -> int:
        """Print names with their lines, cards as YAML, faults last."""
        for kind, names in outcome.names.items():
            print(f"{kind}:" if names else f"{kind}: none installed")
            width = max(map(len, names), default=0)
            for name, line in names.items():
                print(f"  {name:{width}}  {line}".rstrip())
        for content in outcome.cards:
            _show_card(dict(content))
        for fault in outcome.broken:
            print(f"broken: plugin {fault.plugin.title}: {fault.reason}")
        return 0


def names_of(kind: str) -> dict[str, str]:
    """List the names of a kind, each with its line."""
    return {name: summary(choice) for name, choice in sorted(installed().choices(kind).items())}


def card(choice: Choice) -> dict[str, Any]:
    """Give everything that is known of an option without running code."""
    plugin = installed().plugin(choice.plugin)
    return {
        "name": choice.name,
        "plugin": f"{plugin.distribution} {plugin.version}",
        **choice.card,
        "options": choice.options,
        "file": str(choice.path),
    }


def _show_card(content: dict[str, Any]) -> None:
    options = content.pop("options")
    if "parameters" in content:
        content["parameters"] = f"{content['parameters']:,}"
    if "macs" in content:
        macs = content["macs"]
        content["macs"] = f"{macs:,} multiply-adds (FLOPs = 2 x MACs = {2 * macs:,})"
    for part in (content, {"options": options}):
        flow = None if part is content else False
        print(
            yaml.safe_dump(part, sort_keys=False, allow_unicode=True, width=110, default_flow_style=flow),
            end="",
        )
