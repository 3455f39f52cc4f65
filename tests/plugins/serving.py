"""A service that really runs, as a user would start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.real_weights import fetched

SMALL = ["model=retinaface_mobilenet", "model.weights=tiny", "model.size=320"]


@dataclass(frozen=True)
class Running:
    """A service: where it answers, its supervisor, its worker."""

    address: str
    process: subprocess.Popen[str]
    worker: int


@contextmanager
def serving(*words: str, **environment: str) -> Iterator[Running]:
    """Start a service on any free port; stop it, and see that it stops by itself."""
    fetched("retinaface_mobilenet", weights="tiny")
    process = subprocess.Popen(
        [sys.executable, "-m", "faceport", "serve", *SMALL, "port=0", "log=none", *words],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield Running(*await_ready(process))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0


def await_ready(process: subprocess.Popen[str]) -> tuple[str, subprocess.Popen[str], int]:
    """Read what a service says until it says where it answers."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        found = re.search(r"serving at (\S+) \(process (\d+)\)", line)
        if found:
            return found[1], process, int(found[2])
    raise AssertionError(f"the service ended: {said}")
