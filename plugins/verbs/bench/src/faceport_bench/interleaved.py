"""Several systems measured in turn, A B B A A B ..., so that a drifting machine decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from faceport_bench.scenario import Limits, Measuring, Outcome, Scenario
from faceport_bench.statistics import Interval, ratio
from faceport_bench.system import System, Trial

SETTLED = 0.05  # by which the last turns of a warm-up may differ
WARM_TURNS = 3  # at least, and so many are held against each other
Around = Callable[[int], AbstractContextManager[Any]]  # entered around each turn of the system of that number


def nobody(system: int) -> AbstractContextManager[Any]:
    """Look at nothing."""
    return nullcontext()


@dataclass
class Measured:
    """What became of one system."""

    outcome: Outcome | None = None
    rounds: dict[int, Trial] = field(default_factory=dict)  # what it gave in each round
    warm_turns: int = 0
    settled: bool = True  # whether its warm-up came to an end


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as the baseline something is, with its 95 % interval."""

    times: float
    interval: Interval | None
    rounds: int


def measure_together(
    scenario: Scenario,
    systems: Sequence[System],
    limits: Limits,
    pulse: Callable[[], float] | None = None,
    around: Around = nobody,
) -> tuple[list[Measured], list[float]]:
    """Measure systems in turn; give what each gave, and how long a pulse took after each round."""
    measured = [warmed(scenario, system, limits.warm) for system in systems]
    running: dict[int, Measuring] = {at: scenario.measure(limits) for at in range(len(systems))}
    turns = {at: next(one) for at, one in running.items()}
    for system in systems:
        system.begin()
    pulses: list[float] = []
    number = 0
    while running:
        order = sorted(running, reverse=bool(number % 2))  # there and back: a steady drift cancels out
        for at in order:
            with around(at):
                trial = turns[at](systems[at])
            measured[at].rounds[number] = trial
            try:
                turns[at] = running[at].send(trial)
            except StopIteration as stop:
                measured[at].outcome = stop.value
                del running[at]
        if pulse is not None:
            pulses.append(pulse())
        number += 1
    return measured, pulses


def warmed(scenario: Scenario, system: System, most: float) -> Measured:
    """Warm a system up until its last turns are alike, for so many seconds at most."""
    turn, began, costs = scenario.pace(), system.now(), list[float]()
    while len(costs) < WARM_TURNS or system.now() - began < most:
        costs.append(turn(system).cost)
        system.cost = costs[-1]
        last = costs[-WARM_TURNS:]
        if len(last) == WARM_TURNS and max(last) <= (1 + SETTLED) * min(last):
            return Measured(warm_turns=len(costs))
    return Measured(warm_turns=len(costs), settled=False)


def ratios(measured: Sequence[Measured], baseline: int) -> Mapping[int, Ratio]:
    """Hold each system against the baseline, round by round; nothing where rounds were not asked alike."""
    found = {}
    base = measured[baseline]
    for at, one in enumerate(measured):
        if at == baseline or not (_alike(one) and _alike(base)):
            continue
        common = sorted(_counted(one).keys() & _counted(base).keys())
        if common:
            own = [one.rounds[number].cost for number in common]
            times, interval = ratio(own, [base.rounds[number].cost for number in common])
            found[at] = Ratio(times, interval, len(common))
    return found


def _alike(one: Measured) -> bool:
    return one.outcome is not None and one.outcome.steady and not one.outcome.paced


def _counted(one: Measured) -> Mapping[int, Trial]:
    """Give the rounds that its numbers are of: a scenario may first have looked for how to ask."""
    trials = one.outcome.trials if one.outcome else ()
    return {number: trial for number, trial in one.rounds.items() if any(trial is kept for kept in trials)}
