"""Scenarios in which the next query waits for the answer to the last."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from faceport_bench.scenario import Limits, Measuring, Outcome, Scenario, Turn, ask
from faceport_bench.system import Answer, System, Trial

MOST_AT_ONCE = 4096  # items of an offline query


class SingleStream(Scenario):
    """Ask for one picture after the other."""

    concurrent = False

    def measure(self, limits: Limits) -> Measuring:
        """Ask until it is enough."""
        return repeated(partial(ask, seconds=limits.turn, items=1), limits)


@dataclass(frozen=True)
class MultiStreamOptions:
    """Options; conf/scenario/multi_stream.yaml explains them."""

    pictures: int = 8

    def __post_init__(self) -> None:
        if self.pictures < 1:
            raise ValueError(f"pictures is {self.pictures}, it must be at least 1")


class MultiStream(Scenario):
    """Ask for several pictures at once, again and again."""

    Options = MultiStreamOptions
    options: MultiStreamOptions

    def measure(self, limits: Limits) -> Measuring:
        """Ask until it is enough."""
        return repeated(partial(ask, seconds=limits.turn, items=self.options.pictures), limits)


class Offline(Scenario):
    """Hand in everything at once."""

    def measure(self, limits: Limits) -> Measuring:
        """Find how much fills a turn, then hand in as much as that again and again."""
        items, trial = 1, (yield partial(ask, seconds=0.0, items=1))
        while trial.seconds < limits.turn / 2 and items < MOST_AT_ONCE:
            items = min(2 * items, MOST_AT_ONCE)
            trial = yield partial(ask, seconds=0.0, items=items)
        return (yield from repeated(partial(ask, seconds=0.0, items=items), limits))


def repeated(turn: Turn, limits: Limits) -> Measuring:
    """Take the same turn until it is enough."""
    trials: list[Trial] = []
    while not limits.enough(trials):
        trials.append((yield turn))
    return Outcome(trials)


def burst(system: System, items: int) -> Trial:
    """Hand in so many queries at once and wait for all."""
    began = system.now()
    for _ in range(items):
        system.issue(1, began)
    answers: list[Answer] = []
    while len(answers) < items:
        answers += system.wait()
    return Trial(answers, began, system.now())
