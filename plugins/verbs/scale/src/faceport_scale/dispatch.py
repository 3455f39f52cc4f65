"""Who works on which shard: dead workers are replaced, stragglers get a second worker."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from faceport.errors import FaceportError
from faceport_scale.pool import MISTAKE, Pool, Work

PAUSE = 0.02  # seconds between two looks at the workers
LEAST = 5.0  # seconds: a shard that takes less is no straggler

Start = Callable[[int, int, Any], Work]  # shard, which copy of it (0 or 1), place


@dataclass
class Given:
    """A shard that a worker has."""

    shard: int
    copy: int
    place: Any
    work: Work
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has been worked on."""
        return time.monotonic() - self.begun


class Dispatch:
    """Give shards to the places of a pool until each of them is done."""

    def __init__(
        self, pool: Pool, shards: int, attempts: int, straggler: float, least: float = LEAST
    ) -> None:
        self.copies: dict[int, int] = {}  # of a finished shard: which copy counts
        self.notes: list[str] = []
        self._shards, self._attempts, self._straggler, self._least = shards, attempts, straggler, least
        self._waiting = deque((shard, 0) for shard in range(1, shards + 1))
        self._free = list(pool.places)
        self._given: list[Given] = []
        self._lost: dict[int, int] = {}
        self._took: list[float] = []

    def run(self, start: Start) -> Iterator[int]:
        """Give each shard once it is done; no worker is left when this ends, however it does."""
        try:
            while len(self.copies) < self._shards:
                self._give_out(start)
                yield from self._collect()
                time.sleep(PAUSE)
        finally:
            for given in self._given:
                given.work.stop()

    def _give_out(self, start: Start) -> None:
        while self._free:
            task = self._waiting.popleft() if self._waiting else self._slowest()
            if task is None:
                return
            place = self._free.pop(0)
            self._given.append(Given(*task, place, start(*task, place)))

    def _slowest(self) -> tuple[int, int] | None:
        """Choose a shard that takes far longer than those that are done, and has one worker only."""
        if not self._took:
            return None
        bound = max(self._least, self._straggler * median(self._took))
        shards = [given.shard for given in self._given]
        late = [one for one in self._given if one.seconds > bound and shards.count(one.shard) == 1]
        if not late:
            return None
        one = max(late, key=lambda one: one.seconds)
        self.notes.append(f"shard {one.shard} was begun a second time: it took {one.seconds:.0f} s so far")
        return one.shard, 1 - one.copy

    def _collect(self) -> Iterator[int]:
        """Take what workers have done, and put back what dead ones had."""
        for given in [*self._given]:
            code = given.work.code() if given in self._given else None
            if code is None:
                continue
            self._take_back(given)
            if code == 0:
                self.copies[given.shard] = given.copy
                self._took.append(given.seconds)
                for other in [one for one in self._given if one.shard == given.shard]:
                    self._take_back(other)
                yield given.shard
            else:
                self._again(given, code)

    def _take_back(self, given: Given) -> None:
        given.work.stop()
        self._given.remove(given)
        self._free.append(given.place)

    def _again(self, given: Given, code: int) -> None:
        """Give a lost shard to another worker, but not for ever."""
        reason = given.work.reason()
        if code == MISTAKE:
            raise FaceportError(reason)
        lost = self._lost[given.shard] = self._lost.get(given.shard, 0) + 1
        if lost >= self._attempts:
            raise FaceportError(
                f"shard {given.shard} was lost {lost} times, the last time because {reason}. What is done is "
                "kept: the same command goes on, attempts=N tries more often"
            )
        self.notes.append(f"shard {given.shard} went on with another worker: {reason.splitlines()[-1]}")
        if all(one.shard != given.shard for one in self._given):
            self._waiting.appendleft((given.shard, given.copy))
