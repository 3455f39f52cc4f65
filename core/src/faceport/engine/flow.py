"""The threads that take samples from their pictures to their answers.

Every worker thread does whatever is most advanced: run a full batch, resume a sample whose outputs came,
start a sample (decode and pre-process). So on two cores two samples go from JPEG to faces side by side, and a
network with a batch size collects rows from all samples in flight. What is in flight is bounded, and with it
the memory.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

from faceport.api import Network, Session, Steps
from faceport.engine.batching import ROWS, Batch, Key, Pending, Queue, batch_key
from faceport.engine.outputs import check_outputs
from faceport.engine.steps import Answered, Asked, advance, check_calls
from faceport.engine.timing import IN_ENGINE, SERVICE
from faceport.engine.watch import Watch
from faceport.errors import FaceportError, ImageError
from faceport.types import Sample, Tensors

OFFLINE_WINDOW = 256  # most samples in flight for a target that runs from files
Task = Callable[[], Any]  # may give the task to do next
Announce = Callable[[], None]


@dataclass(frozen=True)
class Load:
    """How much an engine has in hand at once: what times of single samples depend on."""

    workers: int  # threads
    in_flight: int  # most samples


@dataclass(frozen=True)
class Settings:
    """How the engine works; nothing here changes a result."""

    batch_size: int = 1  # samples whose rows may share a run
    workers: int | None = None  # threads; None: cores
    in_flight: int | None = None  # samples in memory; None: enough to keep every worker and batch filled
    strict: bool = False  # stop at a picture that cannot be read

    def load(self, sessions: Mapping[str, Session]) -> Load:
        """Settle how many threads work on so many samples, where nobody said it."""
        workers = self.workers or os.cpu_count() or 1
        if self.in_flight:
            return Load(workers, self.in_flight)
        streams = max((session.streams for session in sessions.values()), default=1)
        in_flight = workers + self.batch_size * (streams + 1)
        offline = any(session.window > 1 for session in sessions.values())
        return Load(workers, max(in_flight, OFFLINE_WINDOW) if offline else in_flight)


@dataclass(frozen=True, eq=False)
class Work:
    """What the threads do to each sample, and with what."""

    name: str  # of the model, for messages
    predict: Callable[[Sample], Steps]
    networks: Mapping[str, Network] = field(default_factory=dict)
    sessions: Mapping[str, Session] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    watches: Sequence[Watch] = ()


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one sample."""

    id: str
    value: Any = None  # what its generator returned
    error: str = ""  # why its picture could not be read


@dataclass(eq=False)
class Flight:
    """One sample on its way."""

    index: int
    sample: Sample
    begun: float  # when somebody asked for it
    reading: float = 0.0  # seconds until the dataset gave it
    steps: Steps | None = None
    asked: Asked | None = None
    waiting: int = 0  # calls whose outputs have not come
    answers: list[Tensors | None] = field(default_factory=list)
    spent: list[tuple[str, float]] = field(default_factory=list)  # seconds by stage
    served: float = 0.0  # seconds that the runs of networks took in which it had rows
    failed: bool = False  # nobody waits for it any more


def nothing() -> None:
    """Have nothing to announce."""


class Flow(ABC):
    """Threads, what waits for them, and the one lock over it all."""

    def __init__(self, work: Work) -> None:
        self.job, self.sessions, settings = work, work.sessions, work.settings
        self.batch_size = settings.batch_size
        load = settings.load(self.sessions)
        self.limit = load.in_flight
        self.lock = threading.Lock()
        self.work = threading.Condition(self.lock)  # workers wait here
        self.queues: dict[Key, Queue] = {}
        self.resumable: deque[Flight] = deque()
        self.running = dict.fromkeys(self.sessions, 0)
        self.feeding = 0  # workers that may put calls into queues soon
        self.started = self.ended = 0  # samples begun or about to be, samples that nobody holds any more
        self.stopped = False
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(load.workers)]

    def start(self) -> None:
        """Begin to work."""
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """End the threads and wait for what they are doing right now."""
        with self.work:
            self.stopped = True
            self.work.notify_all()
        for thread in self.threads:
            thread.join()

    @abstractmethod
    def _more(self) -> bool:
        """Tell whether a sample can be started now; the lock is held."""

    @abstractmethod
    def _take(self) -> Flight | None:
        """Take the next sample, without the lock; None where there is none after all."""

    def _nothing_taken(self) -> None:  # noqa: B027 - for those who must tell somebody
        """Learn that there was no sample to take; the lock is held."""

    @abstractmethod
    def _over(self) -> bool:
        """Tell whether there will be nothing to do any more; the lock is held."""

    @abstractmethod
    def _deliver(self, flight: Flight, outcome: Outcome) -> Announce:
        """Hand on what became of a sample, the lock held; give what to do once it is not."""

    @abstractmethod
    def _fail(self, flights: Sequence[Flight], error: BaseException) -> Announce:
        """Deal with samples that cannot be finished, the lock held; give what to do once it is not."""

    def _work(self) -> None:
        task = self._next_task()
        while task:
            task = task() or self._next_task()

    def _next_task(self) -> Task | None:
        """Choose what to do, waiting while there is nothing."""
        with self.work:
            while not self.stopped:
                task = self._choose()
                if task or self._over():
                    return task
                self.work.wait()
        return None

    def _choose(self) -> Task | None:
        """Choose what is most advanced, with the lock held; tasks call it before they let go of it."""
        if self.stopped:
            return None
        full = self.started - self.ended >= self.limit
        batches = self._take_batches(whole=True)
        if batches:
            return partial(self._run, batches)
        if self.resumable:
            self.feeding += 1
            return partial(self._resume, self.resumable.popleft())
        if not full and self._more():
            self.started += 1
            self.feeding += 1
            return self._begin
        if full or not self.feeding:
            batches = self._take_batches(whole=False)
            if batches:
                return partial(self._run, batches)
        return None

    def _take_batches(self, whole: bool) -> list[Batch]:
        """Take batches of one network that has a free stream: full ones, or the fullest there is."""
        best: Key | None = None
        for key, queue in self.queues.items():
            session = self.sessions[key[0]]
            enough = self.batch_size * session.window if whole else 1
            ready = queue.samples >= enough or queue.size >= max(enough, ROWS * session.window)
            if ready and self.running[key[0]] < session.streams:
                best = key if best is None or queue.size > self.queues[best].size else best
        if best is None:
            return []
        queue, network = self.queues[best], best[0]
        batches: list[Batch] = []
        while queue.size and len(batches) < self.sessions[network].window:
            batches.append(queue.take(self.batch_size))
        if not queue.size:
            del self.queues[best]
        self.running[network] += 1
        return batches

    def _run(self, batches: list[Batch]) -> Task | None:
        network = batches[0].network
        try:
            inputs = [batch.inputs() for batch in batches]
            before = perf_counter()
            outputs = self.sessions[network].run_many(inputs)
            spent = perf_counter() - before
            for batch, tensors in zip(batches, outputs, strict=True):
                check_outputs(self.job.networks[network], self.sessions[network], batch.size, tensors)
            complete = [
                pending
                for batch, tensors in zip(batches, outputs, strict=True)
                for pending in batch.deliver(tensors)
            ]
        except BaseException as error:
            flights = [rows.pending.sample for batch in batches for rows in batch.rows]
            what = f"network '{network}' failed on a batch of {batches[0].size}"
            return self._failed(flights, sentence(what, error), network)
        for watch in self.job.watches:
            watch.batch(network, spent, sum(batch.size for batch in batches))
        with self.work:
            self.running[network] -= 1
            for flight in {rows.pending.sample for batch in batches for rows in batch.rows}:
                flight.served += spent
            for pending in complete:
                self._answer(pending)
            self.work.notify_all()
            return self._choose()

    def _answer(self, pending: Pending) -> None:
        flight: Flight = pending.sample
        flight.answers[pending.slot] = pending.outputs()
        flight.waiting -= 1
        if not flight.waiting and not flight.failed:
            self.resumable.append(flight)

    def _begin(self) -> Task | None:
        try:
            flight = self._take()
        except BaseException as error:
            return self._failed((), error, feeding=True)
        if flight is None:
            with self.work:
                self.started -= 1
                self.feeding -= 1
                self._nothing_taken()
                self.work.notify_all()
                return self._choose()
        before = perf_counter()
        try:
            _ = flight.sample.image
        except ImageError as error:
            if not self.job.settings.strict:
                return self._finish(flight, Outcome(flight.sample.id, error=str(error)))
            stopped = FaceportError(f"{error} (strict=true stops at it)")
            return self._failed([flight], stopped, feeding=True)
        except BaseException as error:
            what = f"reading sample '{flight.sample.id}' failed"
            return self._failed([flight], sentence(what, error), feeding=True)
        flight.spent.append(("decode", flight.reading + perf_counter() - before))
        return self._step(flight, "preprocess", None)

    def _resume(self, flight: Flight) -> Task | None:
        assert flight.asked is not None  # it waited for outputs
        answer = flight.asked.answer([tensors for tensors in flight.answers if tensors is not None])
        flight.answers = []
        return self._step(flight, "postprocess", answer)

    def _step(self, flight: Flight, stage: str, answer: Any) -> Task | None:
        """Advance a generator to its next calls or its end."""
        before = perf_counter()
        try:
            flight.steps = flight.steps or self.job.predict(flight.sample)
            step = advance(flight.steps, answer)
            now = perf_counter()
            if isinstance(step, Answered):
                flight.spent.append((stage, now - before))
                own = sum(seconds for _, seconds in flight.spent) + flight.served
                flight.spent += ((SERVICE, own), (IN_ENGINE, now - flight.begun))
                for watch in self.job.watches:
                    watch.sample(flight.sample.id, flight.spent)
                return self._finish(flight, Outcome(flight.sample.id, step.value))
            check_calls(step.calls, self.sessions)
        except BaseException as error:
            what = f"{self.job.name} failed on sample '{flight.sample.id}'"
            return self._failed([flight], sentence(what, error), feeding=True)
        flight.spent.append((stage, now - before))
        for watch in self.job.watches:
            for call in step.calls:
                watch.call(call.network, call.inputs)
        flight.asked, flight.waiting, flight.answers = step, len(step.calls), [None] * len(step.calls)
        with self.work:
            for slot, call in enumerate(step.calls):
                self.queues.setdefault(batch_key(call), Queue()).put(call, flight, slot)
            self.feeding -= 1
            self.work.notify()
            return self._choose()

    def _finish(self, flight: Flight, outcome: Outcome) -> Task | None:
        with self.work:
            self.feeding -= 1
            announce = self._deliver(flight, outcome)
            self.work.notify()
            task = self._choose()
        announce()
        return task

    def _failed(
        self, flights: Sequence[Flight], error: BaseException, network: str = "", feeding: bool = False
    ) -> Task | None:
        with self.work:
            self.feeding -= feeding
            if network:
                self.running[network] -= 1
            for flight in flights:
                flight.failed = True
            announce = self._fail(flights, error)
            self.work.notify_all()
            task = self._choose()
        announce()
        return task


def sentence(what: str, error: BaseException) -> BaseException:
    """Make a sentence of what no part of faceport raised."""
    if isinstance(error, FaceportError) or not isinstance(error, Exception):
        return error
    sentence = FaceportError(f"{what}: {type(error).__name__}: {error}")
    sentence.__cause__ = error
    return sentence
