"""Run a model on samples: one at a time, in the order of a dataset, or from many callers at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import Any

from faceport.api import Model, Session
from faceport.engine.batching import Queue
from faceport.engine.flow import Outcome, Settings, Work
from faceport.engine.ordered import OrderedFlow
from faceport.engine.outputs import check_outputs
from faceport.engine.steps import Answered, advance, check_calls, faces_of
from faceport.engine.submitted import OpenFlow
from faceport.engine.watch import Watch
from faceport.types import Call, Faces, Prediction, Sample, Tensors


class Engine:
    """Run a model on samples, with one session per network."""

    def __init__(
        self,
        model: Model,
        sessions: Mapping[str, Session],
        settings: Settings | None = None,
        watches: Sequence[Watch] = (),
    ) -> None:
        self.model, self.sessions, self.watches = model, sessions, watches
        self.settings = settings or Settings()
        self._networks = dict(model.networks)
        self._open: OpenFlow[Prediction] | None = None
        self._lock = threading.Lock()

    def one(self, sample: Sample) -> Faces:
        """Run one sample in this thread."""
        steps = self.model.predict(sample)
        step = advance(steps)
        while not isinstance(step, Answered):
            check_calls(step.calls, self.sessions)
            step = advance(steps, step.answer([self._run_call(call) for call in step.calls]))
        return faces_of(step.value)

    def _run_call(self, call: Call) -> Tensors:
        queue, session = Queue(), self.sessions[call.network]
        queue.put(call, None)
        for watch in self.watches:
            watch.call(call.network, call.inputs)
        batches = []
        while queue.size:
            batches.append(queue.take(self.settings.batch_size))
        outputs = session.run_many([batch.inputs() for batch in batches])
        for batch, tensors in zip(batches, outputs, strict=True):
            check_outputs(self._networks[call.network], session, batch.size, tensors)
            batch.deliver(tensors)
        return batches[0].rows[0].pending.outputs()

    def run(self, samples: Iterable[Sample]) -> Generator[Prediction]:
        """Yield predictions in the order of the samples."""
        with closing(OrderedFlow(self._work(), samples).outcomes()) as outcomes:
            yield from map(_prediction, outcomes)

    def submit(self, sample: Sample) -> Future[Prediction]:
        """Run a sample together with those of other callers, sharing batches; each fails alone."""
        with self._lock:
            if self._open is None:
                self._open = OpenFlow(self._work(), _prediction)
                self._open.start()
            return self._open.submit(sample)

    def close(self) -> None:
        """Finish what was submitted and end the threads."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _work(self) -> Work:
        name = type(self.model).__name__
        return Work(name, self.model.predict, self._networks, self.sessions, self.settings, self.watches)


def map_samples(
    function: Callable[[Sample], Any], samples: Iterable[Sample], settings: Settings | None = None
) -> Iterator[Outcome]:
    """Yield what a function makes of each sample, in their order, with a run's threads and memory."""

    def steps(sample: Sample) -> Generator[Any, Any, Any]:
        yield from ()
        return function(sample)

    name = getattr(function, "__qualname__", "the function")
    with closing(OrderedFlow(Work(name, steps, settings=settings or Settings()), samples).outcomes()) as all_:
        yield from all_


def _prediction(outcome: Outcome) -> Prediction:
    if outcome.error:
        return Prediction(outcome.id, Faces(), outcome.error)
    return Prediction(outcome.id, faces_of(outcome.value))
