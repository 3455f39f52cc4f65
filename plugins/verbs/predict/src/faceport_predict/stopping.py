"""Ctrl-C and SIGTERM while films are looked at: nothing more is begun, what was looked at is written."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Stop:
    """Whether somebody wants an end; plain attributes, for signal handlers may take no lock."""

    def __init__(self) -> None:
        self.signal = 0  # that asked for it; 0: none did
        self.asked = False

    def __call__(self) -> bool:
        """Tell whether to stop."""
        return self.asked

    def ask(self, number: int = 0) -> None:
        """Want an end."""
        self.asked, self.signal = True, number

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Pass items on until somebody wants an end."""
        for item in items:
            if self.asked:
                return
            yield item


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Let the first Ctrl-C or SIGTERM end a block in its own way, and a second one end it at once."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():  # no signals there
        yield stop
        return
    kept = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number in numbers:
            signal.signal(number, kept[number])

    def handle(number: int, frame: FrameType | None) -> None:
        stop.ask(number)
        restore()
        print("\nstopping; what was looked at is written (once more: at once)", file=sys.stderr, flush=True)

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        restore()
