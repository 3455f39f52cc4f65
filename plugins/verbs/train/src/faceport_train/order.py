"""Which rows a step sees: a function of seed and step alone, so that nothing needs to be remembered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from faceport_train.recipe import Batch, Examples


@dataclass(frozen=True)
class Order:
    """The order of examples: shuffled anew in each epoch; the last incomplete batch is left out."""

    count: int
    batch: int  # rows of a step, over all processes
    seed: int

    @property
    def steps(self) -> int:
        """Count the steps of an epoch."""
        return self.count // self.batch

    def rows(self, step: int, rank: int = 0, world: int = 1) -> tuple[list[int], list[list[int]]]:
        """Name the examples of a step that one process takes, and the seed of each."""
        epoch, within = divmod(step, self.steps)
        share = self.batch // world
        start = within * self.batch + rank * share
        chosen = _shuffled(self.seed, epoch, self.count)[start : start + share].tolist()
        return chosen, [[self.seed, epoch, index] for index in chosen]


@lru_cache(maxsize=4)
def _shuffled(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(
    examples: Examples, order: Order, steps: range, workers: int, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """Make the batches of steps ahead, in threads, in order."""

    def make(step: int) -> Batch:
        return examples.batch(*order.rows(step, rank, world))

    if workers < 1:
        yield from map(make, steps)
        return
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
        try:
            for step in steps:
                waiting.append(pool.submit(make, step))
                if len(waiting) > workers + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
