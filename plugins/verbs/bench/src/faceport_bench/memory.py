"""The most memory that a process and its children had."""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.02  # seconds between two looks at the children


@dataclass
class Most:
    """Megabytes."""

    own: float = 0.0
    children: float = 0.0  # of all at once; 0: none was seen


@contextmanager
def most_memory() -> Iterator[Most]:
    """Fill in, at the end, the most that this process and its children had until then."""
    most, over = Most(), threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            most.children = max(most.children, sum(map(_of, _children())))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()
        most.own = _of("self") or _by_system()


def _of(process: str) -> float:
    """Read the peak of a process; what the system counts for a child begins with what its parent had."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), 0.0)


def _children() -> list[str]:
    found = []
    for file in Path("/proc/self/task").glob("*/children"):
        try:
            found += file.read_text().split()
        except OSError:
            continue
    return found


def _by_system() -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
