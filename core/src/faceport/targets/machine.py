"""What targets have in common: the truth about what runs, and the same words for what does not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from faceport.bounds import MOST_THREADS
from faceport.errors import ConfigError, explain_import
from faceport.processors import processors
from faceport.targets.sentences import reason


def not_importable(cure: str, *modules: str) -> str:
    """Say in a sentence which of some modules cannot be imported, and the cure; empty where all can."""
    try:
        with silence():
            for module in modules:
                import_module(module)
    except (ImportError, OSError) as error:
        return f"{explain_import(error)} ({cure})"
    except Exception as error:  # some packages raise what they like
        return f"'{module}' cannot be loaded: {reason(error)} ({cure})"
    return ""


def installed_version(*distributions: str) -> str:
    """Read the version of the first of some packages that is installed; empty where none is."""
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def share_cores(threads: int, streams: int | None) -> tuple[int, int]:
    """Settle threads inside one run (0: all cores) and runs at the same time (None: what cores are left)."""
    cores = len(processors())
    for name, value in (("threads", threads), ("streams", streams)):
        if value is not None and value > MOST_THREADS:
            raise ConfigError(f"target.{name} is {value}, it must be at most {MOST_THREADS}")
    threads = threads or cores
    return threads, streams or max(1, cores // threads)


@contextmanager
def silence() -> Iterator[list[str]]:
    """Keep what a native library prints off the terminal; afterwards it is the one item of the list."""
    output: list[str] = []
    kept = [(stream, os.dup(stream)) for stream in (1, 2)]
    with tempfile.TemporaryFile() as file:
        try:
            for stream, _ in kept:
                os.dup2(file.fileno(), stream)
            yield output
        finally:
            for stream, copy in kept:
                os.dup2(copy, stream)
                os.close(copy)
            file.seek(0)
            output.append(file.read().decode(errors="replace"))
