"""Samples that many callers submit at any time, sharing batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Generic, TypeVar

from faceport.engine.flow import Announce, Flight, Flow, Outcome, Work, nothing
from faceport.errors import FaceportError
from faceport.types import Sample

T = TypeVar("T")


class OpenFlow(Flow, Generic[T]):
    """Take samples from whoever submits them, at any time; each fails alone."""

    def __init__(self, work: Work, convert: Callable[[Outcome], T]) -> None:
        super().__init__(work)
        self._convert = convert
        self._submitted: deque[tuple[Sample, Future[T], float]] = deque()
        self._futures: dict[int, Future[T]] = {}  # of the samples in flight
        self._closing = False
        self._numbers = 0

    def submit(self, sample: Sample) -> Future[T]:
        """Put a sample into the queue; the future fails where its prediction does."""
        future: Future[T] = Future()
        with self.work:
            if self._closing:
                raise FaceportError("this pipeline is closed: no picture can be looked at any more")
            self._submitted.append((sample, future, perf_counter()))
            self.work.notify()
        return future

    def close(self) -> None:
        """Finish what was submitted, then end."""
        with self.work:
            self._closing = True
            self.work.notify_all()
        for thread in self.threads:
            thread.join()

    def _more(self) -> bool:
        return bool(self._submitted)

    def _over(self) -> bool:
        return self._closing and not self._submitted and self.started == self.ended

    def _take(self) -> Flight | None:
        with self.work:
            while self._submitted:
                sample, future, begun = self._submitted.popleft()
                if not future.set_running_or_notify_cancel():
                    continue  # whoever asked for it does not want it any more
                self._numbers += 1
                self._futures[self._numbers] = future
                return Flight(self._numbers, replace(sample), begun)
        return None

    def _deliver(self, flight: Flight, outcome: Outcome) -> Announce:
        future = self._land(flight)
        return partial(self._resolve, future, outcome) if future else nothing

    def _fail(self, flights: Sequence[Flight], error: BaseException) -> Announce:
        futures = [self._land(flight) for flight in dict.fromkeys(flights)]

        def announce() -> None:
            for future in filter(None, futures):
                future.set_exception(error)

        return announce

    def _land(self, flight: Flight) -> Future[T] | None:
        """Let go of a sample; give the future of whoever waits for it, unless it failed before."""
        future = self._futures.pop(flight.index, None)
        self.ended += future is not None
        if self._closing:
            self.work.notify_all()
        return future

    def _resolve(self, future: Future[T], outcome: Outcome) -> None:
        try:
            future.set_result(self._convert(outcome))
        except Exception as error:
            future.set_exception(error)
