"""A system in virtual time, for tests of scenarios: a queue, servers, and service times that are known."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from faceport_bench.system import Answer, System

Service = Callable[[float], float]  # seconds that an item takes which is begun at that time


@dataclass
class VirtualClock:
    """A time that passes when nobody has anything to do; several systems may share it."""

    time: float = 0.0  # seconds


class Virtual(System):
    """Serve items in the order in which they come, with as many at a time as there are servers."""

    def __init__(self, service: Service, servers: int = 1, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self._service = service
        self._free = [0.0] * servers  # when each server is free
        self._coming: list[tuple[float, int, Answer]] = []
        self._number = count()

    def now(self) -> float:
        """Read the clock."""
        return self.clock.time

    def issue(self, items: int, due: float) -> None:
        """Work out at once when its items will be done."""
        done = self.clock.time
        for _ in range(items):
            begun = max(self.clock.time, heapq.heappop(self._free))
            ended = begun + self._service(begun)
            heapq.heappush(self._free, ended)
            done = max(done, ended)
        heapq.heappush(self._coming, (done, next(self._number), Answer(items, due, done)))

    def wait(self, until: float | None = None) -> list[Answer]:
        """Let time pass to the next answer, or to that time."""
        if not self._coming or (until is not None and self._coming[0][0] > until):
            assert until is not None, "nothing is on its way"
            self.clock.time = max(self.clock.time, until)
            return []
        self.clock.time = max(self.clock.time, self._coming[0][0])
        answers = []
        while self._coming and self._coming[0][0] <= self.clock.time:
            answers.append(heapq.heappop(self._coming)[2])
        return answers
