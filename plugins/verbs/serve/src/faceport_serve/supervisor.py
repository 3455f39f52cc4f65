"""The process that keeps a worker alive, and holds the socket, so that nobody is refused meanwhile."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

from faceport.errors import FaceportError

FIRST_WAIT, LONGEST_WAIT = 0.1, 10.0  # seconds before another worker is started
HEALTHY = 60.0  # seconds after which what went before is forgotten
BLAS = "OPENBLAS_NUM_THREADS"
MOST_FAILURES = 10  # in a row, then something is wrong with this machine


class Supervisor:
    """Start a worker, and another one whenever it dies, until a signal comes."""

    def __init__(self, job: Mapping[str, Any], listener: socket.socket, address: str) -> None:
        self._job, self._listener, self._address = job, listener, address
        self._worker: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._loaded: list[str] = []

    def run(self) -> None:
        """Supervise; the first worker must come up, or its reason is raised."""
        kept = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        failures, known = 0, False
        try:
            while not self._stopping.is_set():
                begun = time.monotonic()
                ready, why = self._run_worker()
                if self._stopping.is_set():
                    break
                if not (ready or known):
                    raise FaceportError(why or "the worker of the service died before it was ready")
                known = True
                failures = 1 if ready and time.monotonic() - begun > HEALTHY else failures + 1
                if failures >= MOST_FAILURES:
                    raise FaceportError(f"the worker of the service died {failures} times in a row: {why}")
                wait = 0.0 if failures == 1 else min(FIRST_WAIT * 2**failures, LONGEST_WAIT)
                self._say(f"the worker died ({why}); another one is started")
                self._stopping.wait(wait)
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
            self._listener.close()

    def _run_worker(self) -> tuple[bool, str]:
        """Run one worker to its end; tell whether it ever was ready, and why it ended."""
        reading, writing = os.pipe()
        number = self._listener.fileno()
        command = [sys.executable, "-m", "faceport_serve.worker", str(number), str(writing)]
        # Pictures keep all cores busy: a search that waits for a thread on each takes ten times as long.
        environment = {BLAS: "1", **os.environ}
        # A session of its own: Ctrl-C is for the supervisor, which lets the worker finish.
        self._worker = worker = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            pass_fds=(number, writing),
            start_new_session=True,
            env=environment,
        )
        os.close(writing)
        assert worker.stdin is not None
        ready, why = False, ""
        try:
            worker.stdin.write(json.dumps({**self._job, "loaded": self._loaded}).encode() + b"\n")
            worker.stdin.flush()
        except BrokenPipeError:
            pass  # its end is looked at below
        with os.fdopen(reading) as report:
            for line in report:
                message = json.loads(line)
                ready, why = ready or "ready" in message, message.get("error", why)
                self._loaded = message.get("loaded", self._loaded)
                if "ready" in message:
                    self._say(f"serving at {self._address} (process {worker.pid}); Ctrl-C stops it")
                if self._stopping.is_set():
                    worker.terminate()
        code = worker.wait()
        worker.stdin.close()
        return ready, why or (f"signal {-code}" if code < 0 else f"exit code {code}")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Let the worker finish what it accepted; a second signal ends it at once."""
        again = self._stopping.is_set()
        self._stopping.set()
        if self._worker is not None and self._worker.poll() is None:
            self._worker.send_signal(signal.SIGKILL if again else signal.SIGTERM)

    def _say(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)
