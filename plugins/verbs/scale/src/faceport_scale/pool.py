"""Workers: what starts them, and the processes of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from faceport.processors import processors

MISTAKE = 2  # exit code of a worker whose run was refused: no other worker would fare better
MOST_TOLD = 2000  # letters of a log that are shown


class Work(ABC):
    """A shard in the hands of a worker."""

    @abstractmethod
    def code(self) -> int | None:
        """Give the exit code: 0 done, MISTAKE refused, else the worker died; None while it works."""

    @abstractmethod
    def stop(self) -> None:
        """End it at once; a worker that has ended is no error."""

    @abstractmethod
    def reason(self) -> str:
        """Say why it ended, if it did not end well."""


class Pool(ABC):
    """So many workers, each of which does one shard at a time."""

    places: Sequence[Any]  # where shards can be worked on at the same time

    @abstractmethod
    def start(self, config: Mapping[str, Any], place: Any, log: Path) -> Work:
        """Begin the run of a configuration at a place, in a process of its own."""


class Processes(Pool):
    """Processes of this machine, each on its share of the processors."""

    def __init__(self, count: int | None = None) -> None:
        cores = processors()
        count = count or len(cores)
        self.places = [cores[number::count] or [cores[number % len(cores)]] for number in range(count)]

    def start(self, config: Mapping[str, Any], place: Any, log: Path) -> Work:
        """Start a process, which ends when this one does."""
        return Process({"config": config, "processors": place}, log)


class Process(Work):
    """A shard in the hands of a process of this machine."""

    def __init__(self, task: Mapping[str, Any], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "faceport_scale.worker"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the one who gives out the work
            )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died already: its exit code says so
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()  # and left open: the worker ends when nobody holds it any more

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def code(self) -> int | None:
        """Look whether the process has ended."""
        return self._process.poll()

    def stop(self) -> None:
        """Kill the process and wait for its end."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def reason(self) -> str:
        """Give the signal that ended it, or the end of what it printed."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"its worker was ended by signal {-code}"
        return self._log.read_text(errors="replace").strip()[-MOST_TOLD:] or f"exit code {code}"
