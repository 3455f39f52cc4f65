"""Progress of anything that takes longer than a second: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
DELAY = 1.0  # seconds before anything is shown
PLAIN_EVERY = 10.0  # seconds between two plain lines


class Progress:
    """Count steps and show them, cheaply enough to be called for every picture."""

    def __init__(self, label: str, total: int | None, unit: str = "") -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self._bar: Any = None
        self._task: Any = None
        self._next = time.monotonic() + DELAY

    def advance(self, steps: int = 1) -> None:
        """Count steps; draw when the time has come."""
        self.done += steps
        now = time.monotonic()
        if now < self._next:
            return
        if sys.stderr.isatty():
            self._next = now + 0.1
            self._draw()
        else:
            self._next = now + PLAIN_EVERY
            print(f"{self.label}: {self._counted()}", file=sys.stderr, flush=True)

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Pass items on, counting each once the next is asked for."""
        for item in items:
            yield item
            self.advance()

    def _counted(self) -> str:
        if self.unit == "B":
            done, total = f"{self.done / 1e6:.1f} MB", f"{(self.total or 0) / 1e6:.1f} MB"
        else:
            done, total = str(self.done), str(self.total)
        return f"{done} of {total}" if self.total else done

    def _draw(self) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[counted]}"),
                TimeRemainingColumn(),
                console=_terminal(),
                transient=True,
                auto_refresh=False,
            )
            self._bar.start()
            self._task = self._bar.add_task(self.label, total=self.total, counted="")
        self._bar.update(self._task, completed=self.done, counted=self._counted(), refresh=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


@cache
def _terminal() -> Any:
    """Make the one console that bars and spinners share, so that one may be shown inside the other."""
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def progress(label: str, total: int | None = None, unit: str = "") -> Iterator[Progress]:
    """Show the progress of a block; unit "B" counts bytes."""
    shown = Progress(label, total, unit)
    try:
        yield shown
    finally:
        shown.close()


@contextmanager
def working(label: str) -> Iterator[None]:
    """Show that something of unknown length is going on: a spinner on a terminal, one line elsewhere."""
    if sys.stderr.isatty():
        with _terminal().status(label):
            yield
        return
    timer = threading.Timer(PLAIN_EVERY, print, [f"{label} ..."], {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
