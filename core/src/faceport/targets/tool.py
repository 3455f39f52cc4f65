"""Run the command-line tools of a toolchain: in limited time, judged by what they make, failure explained."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from faceport.errors import FaceportError, MissingError

TAIL = 1 << 16  # bytes of the output that are looked at afterwards
LONGEST = 300  # letters of the last words
PATIENCE = 5.0  # seconds between asking a tool to end and ending it
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class ToolError(FaceportError):
    """A tool that failed, hung, or did not make what it should have made."""


@dataclass(frozen=True)
class Tool:
    r"""A program of a toolchain, and what is known of its manners.

    In compile(): Tool("vendorc", limit=1800, cures={r"no kernel for (\w+)": r"it has no \1"}).run(
    ["vendorc", source.onnx(), "-o", file], products=[file]), with ToolError handed to cannot_compile().
    """

    name: str  # as sentences call it
    limit: float = 3600.0  # seconds that it may run
    closing: str = ""  # pattern of what it prints when all went well; empty: nothing in particular
    cures: Mapping[str, str] = field(default_factory=dict)  # pattern of its output -> sentence (\1: a group)
    environment: Mapping[str, str] = field(default_factory=dict)  # beside that of this process
    dry_run: Callable[[str], object] | None = None  # is handed the command line, in place of running it

    def run(
        self,
        command: Sequence[str | Path],
        products: Sequence[str | Path] = (),
        folder: Path | None = None,
        log: Path | None = None,
    ) -> str:
        """Run a command in a folder until all products are there, and give the end of what it printed.

        What stands in the place of a product is removed before, and after a failure too, so that nobody takes
        an old file or half a file for a new one. Whatever the tool starts ends with it.
        """
        words = [str(word) for word in command]
        if self.dry_run:
            self.dry_run(self._line(words, folder))
            return ""
        paths = [Path(folder or "", product) for product in products]
        with TemporaryDirectory() as place:
            written = log or Path(place, "log")
            try:
                for path in paths:
                    path.unlink(missing_ok=True)
                output, wrong = self._watch(words, folder, written)
                wrong = wrong or self._lacking(paths, output)
                if wrong:
                    raise ToolError(self._explain(wrong, output) + (f" (all it said: {log})" if log else ""))
            except BaseException:
                for path in paths:
                    path.unlink(missing_ok=True)
                raise
        return output

    def _line(self, words: Sequence[str], folder: Path | None) -> str:
        """Write a command as one would type it."""
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        line = shlex.join(["env", *settings, *words] if settings else words)
        return f"cd {shlex.quote(str(folder))} && {line}" if folder else line

    def _watch(self, words: Sequence[str], folder: Path | None, log: Path) -> tuple[str, str]:
        """Run a command to its end or its limit; give its last output, and what was wrong with its end."""
        log.parent.mkdir(parents=True, exist_ok=True)
        mark = f"FACEPORT_TOOL_{uuid.uuid4().hex}"  # in the environment of whatever the tool starts
        with log.open("wb") as file:
            try:
                process = subprocess.Popen(
                    words,
                    cwd=folder,
                    env={**os.environ, **self.environment, mark: "1"},
                    stdin=subprocess.DEVNULL,  # else a question of it would wait for ever
                    stdout=file,  # a file, not a pipe: a child that lives on could hold a pipe open
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a process group of its own, to be ended as a whole
                )
            except OSError as error:
                raise MissingError(
                    f"{self.name} cannot be started: {words[0]}: {error.strerror or error}"
                ) from error
            wrong = ""
            try:
                code = process.wait(self.limit)
                if code:
                    wrong = f"crashed ({_signal(-code)})" if code < 0 else f"ended with exit code {code}"
            except subprocess.TimeoutExpired:
                wrong = f"was ended after {self.limit:g} s, its time limit"
            finally:
                end_group(process)
                end_marked(mark)
        return _tail(log), wrong

    def _lacking(self, paths: Sequence[Path], output: str) -> str:
        for path in paths:
            if not path.is_file():
                return f"ended without making {path.name}"
            if not path.stat().st_size:
                return f"made an empty {path.name}"
        if self.closing and not re.search(self.closing, output, re.MULTILINE):
            return f"ended without saying '{self.closing}'"
        return ""

    def _explain(self, wrong: str, output: str) -> str:
        """Give the sentence for an output that is known, else say how the tool ended and its last words."""
        for pattern, cure in self.cures.items():
            match = re.search(pattern, output, re.MULTILINE)
            if match:
                return match.expand(cure)
        words = last_words(output)
        return f"{self.name} {wrong}" + (f": {words}" if words else "")


def last_words(output: str) -> str:
    """Give the last line of an output that says something, without colours and overwritten progress."""
    lines = re.split(r"[\r\n]+", _COLOUR.sub("", output))
    words = [line.strip() for line in lines if re.search(r"\w", line)]
    return words[-1].rstrip(".")[:LONGEST] if words else ""


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group, and all that is left of the group: kindly at first."""
    if sys.platform == "win32":
        process.kill()
    else:
        for kind in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, kind)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
    process.wait()


def end_marked(mark: str) -> None:
    """End what has left the group of its tool (a daemon does), wherever Linux shows environments."""
    word = f"{mark}=".encode()
    for _ in range(10):  # one that forks while it is looked for is found the next time
        strays = [int(place.name) for place in Path("/proc").glob("[0-9]*") if word in _environment(place)]
        for stray in strays:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(stray, signal.SIGKILL)
        if not strays:
            return


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # gone meanwhile, or not ours
        return b""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read().decode(errors="replace")
