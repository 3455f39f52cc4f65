"""The whole pipeline as a system: a picture in, its faces out, through the engine as serving drives it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from itertools import cycle
from time import perf_counter
from typing import Any

from faceport.data.pictures import decode, encode
from faceport.engine.engine import Engine
from faceport.engine.timing import Stages
from faceport.engine.watch import Watch
from faceport.errors import FaceportError
from faceport.types import Prediction, Sample, Tensors
from faceport_bench.arriving import Arriving
from faceport_bench.system import Answer, System

QUALITY = 95  # of the JPEG that pictures are held as


def held_as(samples: Sequence[Sample], form: str) -> list[Sample]:
    """Hold pictures in memory as JPEG, decoded each time, or as pixels; source: leave them as they are."""
    if form == "source":
        return [*samples]
    held = []
    for sample in samples:
        source: Any = sample.image
        if form == "jpeg":
            source = partial(decode, encode(sample.image, ".jpg", QUALITY), sample.id)
        held.append(Sample(sample.id, source, faces=sample.faces))
    return held


class StageWatch(Watch):
    """Time stages while somebody counts, and keep the first inputs of each network."""

    def __init__(self) -> None:
        self.stages = Stages()
        self.counting = False
        self.inputs: dict[str, Tensors] = {}

    def call(self, network: str, inputs: Tensors) -> None:
        """Keep the first call."""
        self.inputs.setdefault(network, inputs)

    def batch(self, network: str, seconds: float, rows: int) -> None:
        """Time a run of a network."""
        if self.counting:
            self.stages.batch(network, seconds, rows)

    def sample(self, name: str, stages: Sequence[tuple[str, float]]) -> None:
        """Time the stages of a picture."""
        if self.counting:
            self.stages.sample(name, stages)

    def begin(self) -> None:
        """Count from now on, from nothing."""
        self.stages, self.counting = Stages(), True


class _Query:
    """A query whose items are answered one by one."""

    def __init__(self, items: int, due: float) -> None:
        self.items, self.due, self.left = items, due, items


class Pipeline(System):
    """Submit pictures to an engine, the same ones again and again."""

    def __init__(self, engine: Engine, samples: Sequence[Sample], watch: StageWatch) -> None:
        self.engine, self.watch = engine, watch
        self._samples = cycle(samples)
        self._arriving = Arriving()

    def now(self) -> float:
        """Read the clock of this machine."""
        return perf_counter()

    def issue(self, items: int, due: float) -> None:
        """Submit so many pictures as one query."""
        query = _Query(items, due)
        for _ in range(items):
            self.engine.submit(next(self._samples)).add_done_callback(partial(self._done, query))

    def _done(self, query: _Query, future: Future[Prediction]) -> None:
        """Note the answer to one picture, from a thread of the engine."""
        now = perf_counter()
        arriving = self._arriving
        with arriving.changed:
            error = future.exception()
            reason = "" if error else future.result().error
            arriving.error = arriving.error or error or (FaceportError(reason) if reason else None)
            query.left -= 1
            if not query.left or arriving.error:
                arriving.put(Answer(query.items, query.due, now))

    def wait(self, until: float | None = None) -> list[Answer]:
        """Wait for answers; the first failure is raised."""
        return self._arriving.wait(until)

    def begin(self) -> None:
        """Time stages from now on."""
        self.watch.begin()

    def settle(self) -> None:
        """Answer a picture that nobody counts."""
        counting, self.watch.counting = self.watch.counting, False
        super().settle()
        self.watch.counting = counting
