"""What a verb is; light, because `faceport --help` and `faceport list` wait for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class NoOptions:
    """Stand in for the options of what has none."""


@dataclass(frozen=True)
class Interval:
    """Numbers of which any may be chosen: interval(0.01,0.9) on a command line."""

    low: float
    high: float
    whole: bool = False  # only whole numbers


@dataclass(frozen=True)
class Space:
    """What a verb may choose among (space: true on its card): the values with commas of a command line."""

    values: Mapping[str, Sequence[str] | Interval]  # by key, as typed
    fixed: Sequence[str]  # the other words
    compose: Callable[[Mapping[str, str]], dict[str, Any]]  # the configuration of one choice


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
