"""Samples of an iterable, and what became of them in its order."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from time import perf_counter

from faceport.engine.flow import Announce, Flight, Flow, Outcome, Work, nothing
from faceport.types import Sample


class OrderedFlow(Flow):
    """Take samples from an iterable and give their outcomes in its order; the first failure ends it."""

    def __init__(self, work: Work, samples: Iterable[Sample]) -> None:
        super().__init__(work)
        self._samples = iter(samples)
        self._output = threading.Condition(self.lock)  # whoever takes the results waits here
        self._source = threading.Lock()  # held while the dataset makes its next sample
        self._read = 0  # samples taken from the dataset
        self._exhausted = False
        self._done: dict[int, Outcome] = {}
        self._failure: BaseException | None = None

    def outcomes(self) -> Generator[Outcome]:
        """Yield what became of each sample, in order, waiting for each."""
        self.start()
        try:
            while ready := self._ready():
                yield from ready
        finally:
            self.stop()

    def _ready(self) -> list[Outcome]:
        """Wait for the next outcome in order; take those behind it along. None: it is over."""
        with self._output:
            while not (self.ended in self._done or self._failure or self._over()):
                self._output.wait()
            if self._failure:
                raise self._failure
            ready = []
            while self.ended in self._done:
                ready.append(self._done.pop(self.ended))
                self.ended += 1
            self.work.notify_all()
            return ready

    def _more(self) -> bool:
        return not self._exhausted

    def _over(self) -> bool:
        return self._exhausted and self.ended == self.started

    def _take(self) -> Flight | None:
        with self._source:  # one sample at a time, so that they are numbered in their order
            begun = perf_counter()
            sample = next(self._samples, None)
            if sample is None:
                return None
            index, self._read = self._read, self._read + 1
        # Our own copy of the sample: its decoded picture dies with the flight.
        return Flight(index, replace(sample), begun, perf_counter() - begun)

    def _nothing_taken(self) -> None:
        self._exhausted = True
        self._output.notify()

    def _deliver(self, flight: Flight, outcome: Outcome) -> Announce:
        self._done[flight.index] = outcome
        if flight.index == self.ended:
            self._output.notify()
        return nothing

    def _fail(self, flights: Sequence[Flight], error: BaseException) -> Announce:
        self._failure = self._failure or error
        self.stopped = True
        self._output.notify()
        return nothing
