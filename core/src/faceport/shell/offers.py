"""What a verb takes on the command line, read from its YAML alone: groups, options, plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from faceport.errors import ConfigError, suggest
from faceport.plugins.index import Choice, installed, is_known
from faceport.plugins.yamls import dotted


@dataclass(frozen=True)
class Offers:
    """The command line of one verb."""

    verb: str
    groups: Mapping[str, Any]  # with the names chosen by default; "???": somebody must choose
    content: Mapping[str, Any]  # options with their defaults, nested
    words: str = ""  # the option that takes words that are no KEY=VALUE; empty: there are none
    sweeps: bool = False  # whether -m runs every combination
    together: bool = False  # whether values with commas are combined and given to one call: it compares them
    space: bool = False  # whether one call chooses among values with commas

    @cached_property
    def options(self) -> dict[str, Any]:
        """Options with their defaults, by dotted keys."""
        return dict(dotted(self.content))

    @property
    def config_name(self) -> str:
        """Name its configuration for Hydra, to whom a slash means a folder."""
        return self.verb.replace("/", ".")

    @property
    def composed(self) -> bool:
        """Tell whether Hydra composes its configuration, or its options are all there is."""
        return bool(self.groups)

    def group_of(self, key: str) -> str:
        """Find the group whose option a dotted key is; empty for none."""
        dotted = {group: group.replace("/", ".") for group in self.groups}
        owners = [group for group, name in dotted.items() if key.startswith(f"{name}.")]
        return max(owners, key=len, default="")


def verbs() -> dict[str, Choice]:
    """List the verbs in the order in which help shows them: the core's, then the others by name."""
    choices = installed().choices("verb")
    return dict(sorted(choices.items(), key=lambda item: (item[1].card.get("order", 1000), item[0])))


def offers(verb: str) -> Offers:
    """Read what a verb takes, or say which verbs there are."""
    choices = installed().choices("verb")
    if verb not in choices and not is_known("verb", verb):
        order = (
            "The command comes first: faceport COMMAND OPTION=VALUE. "
            if verb[:1] == "-" or "=" in verb
            else ""
        )
        raise ConfigError(f"there is no command '{verb}'. {order}{suggest(verb, choices)}")
    choice = installed().find("verb", verb)  # or the sentence that says what is wrong with it
    groups = dict(item for entry in choice.choices for item in entry.items())
    card = choice.card
    sweeps, together = bool(card.get("sweep")), bool(card.get("together"))
    space = bool(card.get("space"))
    return Offers(verb, groups, choice.options, str(card.get("words", "")), sweeps, together, space)
