"""Pictures that a dataset draws are drawn before the clock runs: nobody's hardware draws pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from time import perf_counter

from faceport.api import Dataset
from faceport.engine.engine import Engine
from faceport.engine.timing import DRAW, Stages
from faceport.types import Prediction, Sample

MOST = 64  # pictures that are held ready: some 60 MB of 640x480


class Ahead:
    """Run an engine on samples, each some drawn first; count the seconds that this took."""

    def __init__(self, dataset: Dataset, stages: Stages) -> None:
        self.seconds = 0.0
        self._dataset, self._stages = dataset, stages
        self._draws = type(dataset).made is not Dataset.made

    def run(self, engine: Engine, samples: Iterable[Sample]) -> Iterator[Prediction]:
        """Yield predictions in the order of the samples."""
        if not self._draws:
            yield from engine.run(samples)
            return
        with ThreadPoolExecutor(engine.settings.load(engine.sessions).workers) as pool:
            left = iter(samples)
            while True:
                before = perf_counter()
                drawn = [*pool.map(self._draw, islice(_timed(left), MOST))]
                self.seconds += perf_counter() - before
                if not drawn:
                    return
                yield from engine.run(drawn)

    def _draw(self, timed: tuple[Sample, float]) -> Sample:
        sample, seconds = timed
        before = perf_counter()
        drawn = self._dataset.made(sample)
        self._stages.add(DRAW, seconds + perf_counter() - before)
        return drawn


def _timed(samples: Iterator[Sample]) -> Iterator[tuple[Sample, float]]:
    """Give each sample with the seconds that the dataset took for it."""
    before = perf_counter()
    for sample in samples:
        yield sample, perf_counter() - before
        before = perf_counter()
