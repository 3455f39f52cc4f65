"""What a verb is; light, because `faceport --help` and `faceport list` wait for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class NoOptions:
    """Stand in for the options of what has none."""


class Verb(ABC):
    """Do one thing that a user asks for by its name: `faceport NAME ...`."""

    Options: ClassVar[type] = NoOptions  # beside the groups; the YAML has each, with its default

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def act(self, config: Mapping[str, Any]) -> Any:
        """Do it with a composed configuration: the options, and for each group a name and its options.

        Nothing is printed here, so that programs can call it too. A verb that can be swept (sweep: true on
        its card) gives a record.
        """

    def show(self, outcome: Any) -> int:
        """Show what act() gave on the terminal; give the exit code."""
        return 0
