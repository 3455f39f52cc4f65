"""Another Python beside this one: a script runs there, and is called over pipes.

For toolchains that want other versions than faceport. The script needs neither faceport nor its packages, but
NumPy; it defines `answer(call, options, tensors)`, which gives a dictionary of results and one of tensors. A
message is one line of JSON and, behind it, an .npz of as many bytes as the line says.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from faceport.errors import FaceportError, MissingError
from faceport.targets.tool import TAIL, end_group, last_words
from faceport.types import Array, Tensors

# What the other Python runs: the pipe of answers is kept apart from whatever the tool prints.
SERVER = """
import io, json, os, sys, traceback
pipe = os.fdopen(os.dup(1), "wb"); os.dup2(2, 1)
import numpy
scope = {"__name__": "worker"}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), scope)
def send(head, tensors):
    file = io.BytesIO(); numpy.savez(file, **tensors); body = file.getvalue()
    pipe.write((json.dumps(dict(head, bytes=len(body))) + "\\n").encode() + body); pipe.flush()
while True:
    line = sys.stdin.buffer.readline()
    if not line: break
    head = json.loads(line)
    body = sys.stdin.buffer.read(head["bytes"])
    try:
        given = dict(numpy.load(io.BytesIO(body), allow_pickle=False))
        results, tensors = scope["answer"](head["call"], head["options"], given)
        send({"results": results}, tensors)
    except Exception as error:
        traceback.print_exc()
        send({"error": type(error).__name__ + ": " + str(error)}, {})
"""


class Foreign:
    """A process of another Python; it ends with close(), and with whatever it started."""

    def __init__(self, python: Path, script: Path, name: str, limit: float = 600.0) -> None:
        self._name, self._limit = name, limit
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process lives
        self._lock = threading.Lock()
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        try:
            self._process = subprocess.Popen(
                [str(python), "-c", SERVER, str(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=clean,
                start_new_session=True,
            )
        except OSError as error:
            self._said.close()
            raise MissingError(f"{name}: {python} cannot be started: {error.strerror or error}") from error

    def call(self, call: str, options: Mapping[str, Any], tensors: Tensors) -> tuple[dict[str, Any], Tensors]:
        """Ask for one thing, and give results and tensors."""
        with self._lock:
            if self._process.poll() is not None:
                raise FaceportError(self._ended())
            overdue = threading.Event()

            def end() -> None:
                overdue.set()
                end_group(self._process)

            watch = threading.Timer(self._limit, end)
            watch.start()
            try:
                head, body = self._exchange(call, options, tensors)
            except (OSError, ValueError) as error:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(5)
                if overdue.is_set():
                    why = f"{self._name} was ended after {self._limit:g} s, its time limit{self._words()}"
                    raise FaceportError(why) from error
                raise FaceportError(self._ended()) from error
            finally:
                watch.cancel()
        if "error" in head:
            raise FaceportError(f"{self._name}: {head['error']}")
        return head["results"], body

    def _exchange(
        self, call: str, options: Mapping[str, Any], tensors: Tensors
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        given, taken = self._process.stdin, self._process.stdout
        assert given is not None and taken is not None
        named: dict[str, Any] = dict(tensors)
        file = BytesIO()
        np.savez(file, **named)
        body = file.getvalue()
        head = {"call": call, "options": dict(options), "bytes": len(body)}
        given.write(json.dumps(head).encode() + b"\n" + body)
        given.flush()
        answer = json.loads(taken.readline())
        content = taken.read(answer["bytes"])
        if len(content) < answer["bytes"]:
            raise ValueError("half an answer")
        with np.load(BytesIO(content), allow_pickle=False) as stored:
            return answer, dict(stored)

    def _ended(self) -> str:
        code = self._process.poll()
        how = "stopped answering" if code is None else f"ended with exit code {code}"
        return f"{self._name} {how}{self._words()}"

    def _words(self) -> str:
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - TAIL))
        words = last_words(self._said.read().decode(errors="replace"))
        return f": {words}" if words else ""

    def close(self) -> None:
        """End the process and what it started."""
        end_group(self._process)
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            with suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()
