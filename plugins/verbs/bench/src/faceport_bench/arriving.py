"""Answers that threads give and one thread waits for."""

from __future__ import annotations

import threading
from collections import deque
from time import perf_counter

from faceport_bench.system import Answer


class Arriving:
    """Answers on their way: noted under one lock, waited for until a time."""

    def __init__(self) -> None:
        self.error: BaseException | None = None  # the first failure; raised by whoever waits
        self.changed = threading.Condition()
        self._answers: deque[Answer] = deque()

    def put(self, answer: Answer) -> None:
        """Give an answer; the caller holds the lock."""
        self._answers.append(answer)
        self.changed.notify()

    def wait(self, until: float | None) -> list[Answer]:
        """Wait for answers; a failure is raised."""
        with self.changed:
            while not self._answers:
                left = None if until is None else until - perf_counter()
                if left is not None and left <= 0:
                    break
                self.changed.wait(left)
            if self.error:
                raise self.error
            answers = [*self._answers]
            self._answers.clear()
        return answers
