"""What a composed configuration chooses for a group: a name, and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faceport.plugins.kinds import kind_of
from faceport.plugins.loading import create

NAME = "name"  # key of a group in a composed configuration that holds what was chosen


@dataclass(frozen=True)
class Chosen:
    """One choice."""

    name: str
    options: Mapping[str, Any]

    def make(self, kind: str) -> Any:
        """Make what was chosen."""
        return create(kind, self.name, **self.options)

    def plain(self) -> dict[str, Any]:
        """Write it as a configuration holds it."""
        return {NAME: self.name, **self.options}


def choice_of(config: Mapping[str, Any], group: str) -> Chosen | None:
    """Read what a configuration chooses for a group; None where it chooses nothing."""
    content = config.get(group)
    return of(content) if content else None


def of(content: Mapping[str, Any]) -> Chosen:
    """Take name and options apart."""
    return Chosen(str(content[NAME]), {key: value for key, value in content.items() if key != NAME})


def make(config: Mapping[str, Any], group: str) -> Any:
    """Make what a configuration chooses for a group; None where it chooses nothing."""
    choice = choice_of(config, group)
    return choice.make(kind_of(group)) if choice else None
