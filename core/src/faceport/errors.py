"""Mistakes that a user can mend: shown as sentences, never as tracebacks."""

import difflib
from collections.abc import Iterable


class FaceportError(Exception):
    """Say what is wrong, where, and what to do about it."""


class ConfigError(FaceportError):
    """An option that does not exist, has the wrong type, or does not fit the others."""


class PluginError(FaceportError):
    """A plugin that cannot be found, loaded or believed."""


class MissingError(FaceportError):
    """Something that is not on this machine: weights, a dataset, a runtime."""


class WaitingError(FaceportError):
    """Not a failure: work lies ready for another machine; the same command goes on once it is done."""


class BusyError(FaceportError):
    """A folder that another process works in."""


class FreeSizesError(FaceportError):
    """A network that a target compiles with fixed sizes only: compile() raises it and is called with them."""


class ImageError(FaceportError):
    """A picture that cannot be decoded; a run counts it and goes on."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Write 'Did you mean ...? Available: ...' for a name that is not among the known ones."""
    options = sorted(known)
    if not options:
        return "None is installed."
    near = difflib.get_close_matches(name, options, n=3, cutoff=0.5)
    question = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{question}Available: {', '.join(options)}."


def explain_import(error: BaseException) -> str:
    """Turn a failed import into one sentence with its cure."""
    text = str(error)
    if isinstance(error, FaceportError):  # somebody explained it already
        return text
    if "libGL" in text or "libgthread" in text or "libglib" in text:
        return (
            f"OpenCV cannot load a system library ({text}). Install it (Debian, Ubuntu: "
            "apt-get install libgl1 libglib2.0-0), or use the build without windows: "
            "pip uninstall opencv-python && pip install opencv-python-headless"
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the Python module '{error.name}' is not installed: pip install the package that holds it"
    if isinstance(error, SyntaxError):
        return f"its code does not parse: {error.filename}:{error.lineno}: {error.msg}"
    if isinstance(error, OSError) and ".so" in text:
        return f"a shared library is missing: {text}. Install the runtime that ships it"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
