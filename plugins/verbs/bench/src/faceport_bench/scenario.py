"""Scenarios: how a system is asked while it is measured.

A scenario is a generator, as models are: it yields turns (what to do with the system next) and is sent what
each gave. It knows no clock but the system's, so it runs in virtual time as it does in real time; and whoever
drives several systems takes a turn of each in turn, so that a machine that drifts decides nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from faceport.verb import NoOptions
from faceport_bench.system import Answer, System, Trial

Turn = Callable[[System], Trial]
FEWEST_TURNS = 8  # from which an interval is computed


@dataclass(frozen=True)
class Limits:
    """How much is enough, and what is too much."""

    seconds: float  # at least
    count: int  # queries, at least
    most_seconds: float  # after which a measurement ends, whatever it has
    turn: float  # seconds of one turn
    noise: float  # half of the 95 % interval of the mean, as a share of it, at most
    drift: float  # by which the end may be slower than the beginning, at most
    resolution: float  # of a search for a rate
    warm: float  # seconds of a warm-up, at most
    tail: float  # answers beyond the bound that a search must be able to see
    repeats: int  # of a rate that is too close to call

    def enough(self, trials: Sequence[Trial]) -> bool:
        """Tell whether a measurement may end."""
        seconds = sum(trial.seconds for trial in trials)
        if seconds >= self.most_seconds:
            return True
        queries = sum(len(trial.answers) for trial in trials)
        return seconds >= self.seconds and queries >= self.count and len(trials) >= FEWEST_TURNS


PROFILES = {
    "quick": Limits(2.0, 100, 40.0, 0.25, 0.10, 0.25, 0.05, 5.0, 3.0, 2),
    "strict": Limits(60.0, 1024, 900.0, 1.0, 0.02, 0.05, 0.01, 60.0, 20.0, 8),
}


@dataclass(frozen=True)
class Outcome:
    """What a scenario found."""

    trials: Sequence[Trial]  # those that its numbers are of
    numbers: Mapping[str, float] = field(default_factory=dict)  # of its own, beside latency and throughput
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # of these
    reasons: Sequence[str] = ()  # why it is not to be believed
    steady: bool = True  # whether its turns were all asked alike, so that they may be compared
    paced: bool = False  # whether queries came by a clock: its throughput is then what was asked for


Measuring = Generator[Turn, Trial, Outcome]


class Scenario(ABC):
    """Say how a system is asked, one turn at a time."""

    Options: ClassVar[type] = NoOptions
    paced: ClassVar[bool] = (
        False  # whether queries come by a clock: one may then come while another is answered
    )
    concurrent: ClassVar[bool] = True  # whether several items are ever on their way at once

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def measure(self, limits: Limits) -> Measuring:
        """Yield turns, be sent what they gave, return what was found."""

    def pace(self) -> Turn:
        """Give the turn by which a system is warmed up: one query after the other."""
        return warm_turn


def ask(system: System, seconds: float, items: int) -> Trial:
    """Ask one query after the other, each as soon as the last was answered."""
    if items * system.cost < seconds:  # else nobody waits for it twice
        system.settle()
    began = system.now()
    answers: list[Answer] = []
    while not answers or system.now() - began < seconds:
        system.issue(items, system.now())
        answers += system.wait()
    return Trial(answers, began, system.now())


def warm_turn(system: System) -> Trial:
    """Ask for a tenth of a second."""
    return ask(system, 0.1, 1)
