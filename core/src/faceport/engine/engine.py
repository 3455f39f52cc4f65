"""Drive the generators of many samples over sessions: batches, overlap, recording, timing.

Every worker thread does whatever is most advanced: run a full batch, resume a sample whose outputs came,
start a sample (decode and pre-process). So on two cores two samples go from JPEG to faces side by side, and a
network with a batch size collects rows from all samples in flight. What is in flight is bounded, and with it
the memory.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any

from faceport.api import Model, Session, Steps
from faceport.engine.batching import Batch, Key, Pending, Queue, batch_key
from faceport.engine.timing import TOTAL, Stages
from faceport.errors import FaceportError, ImageError, suggest
from faceport.types import Call, Faces, Prediction, Sample, Tensors

OFFLINE_WINDOW = 256  # most samples in flight for a target that runs from files
Recorder = Callable[[str, Tensors], None]
Task = Callable[[], Any]  # may give the task to do next


@dataclass(frozen=True)
class Settings:
    """How the engine works; nothing here changes a result."""

    batch_size: int = 1
    workers: int | None = None  # threads; None: cores
    in_flight: int | None = None  # samples in memory; None: enough to keep every worker and batch filled
    strict: bool = False  # stop at a picture that cannot be read


@dataclass(eq=False)
class _Flight:
    """One sample on its way."""

    index: int
    sample: Sample
    begun: float  # when the dataset was asked for it
    steps: Steps | None = None
    single: bool = True  # whether the last yield was one call or a list
    waiting: int = 0  # calls whose outputs have not come
    answers: list[Tensors | None] | None = None
    spent: list[tuple[str, float]] = field(default_factory=list)  # seconds by stage


class Engine:
    """Run a model on samples, with one session per network."""

    def __init__(
        self,
        model: Model,
        sessions: Mapping[str, Session],
        settings: Settings | None = None,
        record: Recorder | None = None,
    ) -> None:
        self.model, self.sessions = model, sessions
        self.settings = settings or Settings()
        self.stages = Stages()
        self.record = record

    def one(self, sample: Sample) -> Faces:
        """Run one sample in this thread."""
        steps = self.model.predict(sample)
        try:
            calls = next(steps)
            while True:
                listed = _listed(calls, self.sessions)
                answers = [self._run_call(call) for call in listed]
                calls = steps.send(answers[0] if isinstance(calls, Call) else answers)
        except StopIteration as stop:
            return _faces(stop.value)

    def _run_call(self, call: Call) -> Tensors:
        queue, session = Queue(), self.sessions[call.network]
        queue.put(call, None)
        if self.record:
            self.record(call.network, call.inputs)
        batches = []
        while queue.size:
            batches.append(queue.take(self.settings.batch_size))
        outputs = session.run_many([batch.inputs() for batch in batches])
        for batch, tensors in zip(batches, outputs, strict=True):
            batch.deliver(tensors)
        return batches[0].rows[0].pending.outputs()

    def run(self, samples: Iterable[Sample]) -> Iterator[Prediction]:
        """Yield predictions in the order of the samples."""
        flow = _Flow(self, iter(samples))
        try:
            yield from flow.results()
        finally:
            flow.stop()


class _Flow:
    """One run: the threads, what waits for them, and the one lock over it all."""

    def __init__(self, engine: Engine, samples: Iterator[Sample]) -> None:
        self.engine, self.samples = engine, samples
        settings, sessions = engine.settings, engine.sessions.values()
        workers = settings.workers or os.cpu_count() or 1
        streams = max((session.streams for session in sessions), default=1)
        self.limit = settings.in_flight or workers + settings.batch_size * (streams + 1)
        if not settings.in_flight and any(session.window > 1 for session in sessions):
            self.limit = max(self.limit, OFFLINE_WINDOW)
        lock = threading.Lock()
        self.work = threading.Condition(lock)  # workers wait here
        self.output = threading.Condition(lock)  # whoever takes the results waits here
        self.source = threading.Lock()  # held while the dataset makes its next sample
        self.queues: dict[Key, Queue] = {}
        self.resumable: deque[tuple[_Flight, Any]] = deque()
        self.running = dict.fromkeys(engine.sessions, 0)
        self.feeding = 0  # workers that may put calls into queues soon
        self.read = self.started = self.emitted = 0  # samples taken, begun or about to be, handed on
        self.exhausted = self.stopped = False
        self.done: dict[int, Prediction] = {}
        self.failure: BaseException | None = None
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in self.threads:
            thread.start()

    def results(self) -> Iterator[Prediction]:
        """Yield finished predictions in order, waiting for each."""
        while ready := self._ready():
            yield from ready

    def _ready(self) -> list[Prediction]:
        """Wait for the next prediction in order; take those behind it along. None: it is over."""
        with self.output:
            while not (self.emitted in self.done or self.failure or self._finished()):
                self.output.wait()
            if self.failure:
                raise self.failure
            ready = []
            while self.emitted in self.done:
                ready.append(self.done.pop(self.emitted))
                self.emitted += 1
            self.work.notify_all()
            return ready

    def stop(self) -> None:
        """End the threads and wait for what they are doing right now."""
        with self.work:
            self.stopped = True
            self.work.notify_all()
        for thread in self.threads:
            thread.join()

    def _finished(self) -> bool:
        return self.exhausted and self.emitted == self.started

    def _work(self) -> None:
        try:
            task = self._next_task()
            while task:
                task = task() or self._next_task()
        except BaseException as error:
            with self.work:
                self.failure = self.failure or error
                self.stopped = True
                self.work.notify_all()
                self.output.notify()

    def _next_task(self) -> Task | None:
        """Choose what to do, waiting while there is nothing."""
        with self.work:
            while not self.stopped:
                task = self._choose()
                if task or self._finished():
                    return task
                self.work.wait()
        return None

    def _choose(self) -> Task | None:
        """Choose what is most advanced, with the lock held; tasks call it before they let go of it."""
        if self.stopped:
            return None
        full = self.started - self.emitted >= self.limit
        batches = self._take_batches(whole=True)
        if batches:
            return partial(self._run, batches)
        if self.resumable:
            self.feeding += 1
            return partial(self._resume, *self.resumable.popleft())
        if not (full or self.exhausted):
            self.started += 1
            self.feeding += 1
            return self._start
        if full or not self.feeding:
            batches = self._take_batches(whole=False)
            if batches:
                return partial(self._run, batches)
        return None

    def _take_batches(self, whole: bool) -> list[Batch]:
        """Take batches of one network that has a free stream: full ones, or the fullest there is."""
        best: tuple[int, Key] | None = None
        for key, queue in self.queues.items():
            session = self.engine.sessions[key[0]]
            enough = self.engine.settings.batch_size * session.window if whole else 1
            free = self.running[key[0]] < session.streams
            if free and queue.size >= enough and (best is None or queue.size > best[0]):
                best = (queue.size, key)
        if best is None:
            return []
        key = best[1]
        queue = self.queues[key]
        batches: list[Batch] = []
        while queue.size and len(batches) < self.engine.sessions[key[0]].window:
            batches.append(queue.take(self.engine.settings.batch_size))
        if not queue.size:
            del self.queues[key]
        self.running[key[0]] += 1
        return batches

    def _run(self, batches: list[Batch]) -> Task | None:
        network = batches[0].network
        inputs = [batch.inputs() for batch in batches]
        before = perf_counter()
        try:
            outputs = self.engine.sessions[network].run_many(inputs)
        except FaceportError:
            raise
        except Exception as error:
            raise FaceportError(
                f"network '{network}' failed on a batch of {batches[0].size}: {type(error).__name__}: {error}"
            ) from error
        spent = perf_counter() - before
        self.engine.stages.add(f"network:{network}", spent, sum(batch.size for batch in batches))
        complete = [
            pending
            for batch, tensors in zip(batches, outputs, strict=True)
            for pending in batch.deliver(tensors)
        ]
        with self.work:
            self.running[network] -= 1
            for pending in complete:
                self._answer(pending)
            self.work.notify_all()
            return self._choose()

    def _answer(self, pending: Pending) -> None:
        flight, slot = pending.owner
        flight.answers[slot] = pending.outputs()
        flight.waiting -= 1
        if not flight.waiting:
            self.resumable.append((flight, flight.answers[0] if flight.single else flight.answers))

    def _start(self) -> Task | None:
        with self.source:  # one sample at a time, so that they are numbered in their order
            begun = perf_counter()
            sample = next(self.samples, None)
            read = perf_counter() - begun
            index = self.read
            self.read += 1
        if sample is None:
            self._no_more()
            return None
        # Our own copy of the sample: its decoded picture dies with the flight.
        flight = _Flight(index, replace(sample), begun)
        before = perf_counter()
        try:
            _ = flight.sample.image
        except ImageError as error:
            if self.engine.settings.strict:
                raise FaceportError(f"{error} (strict=true stops at it)") from error
            return self._finish(flight, Prediction(sample.id, Faces(), str(error)))
        flight.spent.append(("decode", read + perf_counter() - before))
        flight.steps = self.engine.model.predict(flight.sample)
        return self._step(flight, "preprocess", next)

    def _resume(self, flight: _Flight, answer: Any) -> Task | None:
        flight.answers = None
        return self._step(flight, "postprocess", lambda steps: steps.send(answer))

    def _step(self, flight: _Flight, stage: str, step: Callable[[Steps], Any]) -> Task | None:
        """Advance a generator to its next calls or its end."""
        assert flight.steps is not None
        before = perf_counter()
        try:
            calls = step(flight.steps)
        except StopIteration as stop:
            now = perf_counter()
            flight.spent += ((stage, now - before), (TOTAL, now - flight.begun))
            self.engine.stages.add_all(flight.spent)
            return self._finish(flight, Prediction(flight.sample.id, _faces(stop.value)))
        except FaceportError:
            raise
        except Exception as error:
            raise FaceportError(
                f"{type(self.engine.model).__name__} failed on sample '{flight.sample.id}': "
                f"{type(error).__name__}: {error}"
            ) from error
        flight.spent.append((stage, perf_counter() - before))
        listed = _listed(calls, self.engine.sessions)
        if self.engine.record:
            for call in listed:
                self.engine.record(call.network, call.inputs)
        flight.single = isinstance(calls, Call)
        flight.waiting, flight.answers = len(listed), [None] * len(listed)
        with self.work:
            for slot, call in enumerate(listed):
                self.queues.setdefault(batch_key(call), Queue()).put(call, (flight, slot))
            self.feeding -= 1
            self.work.notify()
            return self._choose()

    def _finish(self, flight: _Flight, prediction: Prediction) -> Task | None:
        with self.work:
            self.feeding -= 1
            self.done[flight.index] = prediction
            self.work.notify()
            if flight.index == self.emitted:
                self.output.notify()
            return self._choose()

    def _no_more(self) -> None:
        with self.work:
            self.exhausted = True
            self.started -= 1
            self.feeding -= 1
            self.work.notify_all()
            self.output.notify()


def _listed(calls: Any, sessions: Mapping[str, Session]) -> Sequence[Call]:
    """Check what a generator yielded."""
    listed = [calls] if isinstance(calls, Call) else calls
    if not isinstance(listed, list | tuple) or not listed or not all(isinstance(c, Call) for c in listed):
        raise FaceportError(f"predict() must yield a Call or a list of Calls, not {calls!r}")
    for call in listed:
        if call.network not in sessions:
            raise FaceportError(
                f"predict() calls a network '{call.network}'. {suggest(call.network, sessions)}"
            )
        if not call.size or len({len(value) for value in call.inputs.values()}) != 1:
            sizes = {name: len(value) for name, value in call.inputs.items()}
            raise FaceportError(
                f"a Call of '{call.network}' needs the same number of rows, at least one: {sizes}"
            )
    return listed


def _faces(value: Any) -> Faces:
    if not isinstance(value, Faces):
        raise FaceportError(f"predict() must return Faces, not {type(value).__name__}")
    return value
