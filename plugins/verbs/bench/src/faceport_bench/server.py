"""Queries that come as they like, as to a server: the highest rate at which answers come in time."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from faceport_bench.closed import burst
from faceport_bench.scenario import Limits, Measuring, Outcome, Scenario, Turn
from faceport_bench.system import Answer, System, Trial

CAPACITY = 32  # queries at once from which the rate is guessed where the search begins
EMPTY = 0.1  # of the queries at the beginning are not counted: they meet an empty queue
SLOWEST = 64  # a rate of so small a part of the capacity is the lowest that is tried
CHANCE = 3.0  # standard deviations of independent answers
LATE = 0.1  # of the bound by which queries may be handed in late


@dataclass(frozen=True)
class ServerOptions:
    """Options; conf/scenario/server.yaml explains them."""

    rate: float | None = None
    bound_ms: float = 100.0
    share: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share:g}, it must lie between 0 and 1")
        if self.bound_ms <= 0 or (self.rate is not None and self.rate <= 0):
            raise ValueError("bound_ms and rate must be more than 0")


class Server(Scenario):
    """Ask at random times, at a rate that is given, or sought."""

    Options = ServerOptions
    options: ServerOptions
    paced = True

    def measure(self, limits: Limits) -> Measuring:
        """Ask at the rate that was given, or halve the gap between one that holds and one that does not."""
        if self.options.rate is not None:
            return self._at(self.options.rate, limits)
        return self._search(limits)

    def _at(self, rate: float, limits: Limits) -> Measuring:
        trials: list[Trial] = []
        per_turn = max(int(rate * limits.turn * 4), 20)
        while not limits.enough(trials):
            trials.append((yield partial(arrivals, gaps=self._gaps(rate, per_turn, len(trials)))))
        share = self.share_within(trials)
        reasons = [] if share >= self.options.share else [self._broken(rate, share)]
        return self._outcome(trials, rate, (rate, rate), reasons)

    def _search(self, limits: Limits) -> Measuring:
        """Seek the highest rate, by halving the gap between one that holds and one that does not."""
        full = yield partial(burst, items=CAPACITY)
        capacity = full.items / full.seconds
        low, high, rate = 0.0, 1.25 * capacity, capacity / 2
        held: list[Trial] = []
        while high - low > limits.resolution * high and high > capacity / SLOWEST:
            trials, holds = yield from self._try(rate, limits)
            if holds:
                low, held = rate, trials
            else:
                high, broken = rate, self.share_within(trials)
            rate = (low + high) / 2
        if not held:
            reason = (
                f"no rate holds the bound: at {high:.3g} per second, {broken:.1%} of the answers came within "
                f"{self.options.bound_ms:g} ms, {self.options.share:.1%} was asked for"
            )
            return Outcome(trials, reasons=[reason], steady=False, paced=True)
        return self._outcome(held, low, (low, high), [])

    def _try(self, rate: float, limits: Limits) -> Generator[Turn, Trial, tuple[list[Trial], bool]]:
        """Ask at a rate, again and again while it is too close to call; tell whether it holds."""
        share, probe = self.options.share, self._probe(limits)
        bound, trials = self.options.bound_ms / 1e3, list[Trial]()
        hopeless = (1 - share) * probe + _spread(share, probe) * probe  # answers that no chance brings
        while True:
            gaps = self._gaps(rate, probe, len(trials))
            trial = yield partial(arrivals, gaps=gaps, bound=bound, allowed=hopeless)
            trials.append(trial)
            found = self.share_within(trials)
            close = abs(found - share) <= _spread(share, probe * len(trials))
            if len(trial.answers) < probe:
                return trials, False
            if not close or len(trials) == limits.repeats:
                return trials, found >= share

    def _probe(self, limits: Limits) -> int:
        """Count the queries in which enough answers beyond the bound can be seen."""
        return max(limits.count, math.ceil(limits.tail / (1 - self.options.share)))

    def _gaps(self, rate: float, count: int, number: int) -> Sequence[float]:
        drawn = np.random.default_rng([self.options.seed, number]).standard_exponential(count)
        return [float(gap) for gap in drawn / rate]

    def share_within(self, trials: Sequence[Trial]) -> float:
        """Give the share of answers that came within the bound; those to an empty queue are left out."""
        counted = [answer for trial in trials for answer in _loaded(trial)]
        bound = self.options.bound_ms / 1e3
        return sum(answer.latency <= bound for answer in counted) / max(len(counted), 1)

    def _outcome(
        self, trials: Sequence[Trial], rate: float, interval: tuple[float, float], reasons: list[str]
    ) -> Outcome:
        late = max(trial.late for trial in trials)
        if 1e3 * late > LATE * self.options.bound_ms:
            reasons = [*reasons, f"queries were handed in up to {1e3 * late:.1f} ms late"]
        counted = [Trial([*_loaded(trial)], trial.began, trial.ended, trial.late) for trial in trials]
        numbers = {
            "rate_per_second": rate,
            "share_within": self.share_within(trials),
            "bound_ms": self.options.bound_ms,
        }
        steady = self.options.rate is not None
        return Outcome(counted, numbers, {"rate_per_second": interval}, reasons, steady=steady, paced=True)

    def _broken(self, rate: float, share: float) -> str:
        return (
            f"at {rate:g} per second, {share:.2%} of the answers came within {self.options.bound_ms:g} ms, "
            f"{self.options.share:.2%} was asked for"
        )


def arrivals(system: System, gaps: Sequence[float], bound: float = math.inf, allowed: float = 0.0) -> Trial:
    """Hand in a query after each gap, whatever was answered, and wait for all that are on their way.

    Once more answers than are allowed came beyond the bound, no more are handed in.
    """
    system.settle()
    began = system.now()
    due, behind, issued, beyond = began, 0.0, 0, 0
    answers: list[Answer] = []

    def take(some: Sequence[Answer]) -> int:
        answers.extend(some)
        return sum(answer.latency > bound for answer in some)

    for gap in gaps:
        due += gap
        while system.now() < due:
            beyond += take(system.wait(due))
        behind = max(behind, system.now() - due)
        system.issue(1, due)
        issued += 1
        if beyond > allowed:
            break
    while len(answers) < issued:
        take(system.wait())
    return Trial(answers, began, system.now(), behind)


def _spread(share: float, count: int) -> float:
    """Give how far a share of so many may be off by chance; queries in one queue share their luck."""
    return CHANCE * math.sqrt(share * (1 - share) / count)


def _loaded(trial: Trial) -> Sequence[Answer]:
    ordered = sorted(trial.answers, key=lambda answer: answer.due)
    return ordered[int(EMPTY * len(ordered)) :]
