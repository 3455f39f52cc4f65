"""Who uses what of the store, and how large it may grow: what is in use is never removed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from faceport.errors import ConfigError

MAX_SIZE = "FACEPORT_CACHE_SIZE"
DEFAULT = "20GB"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def size_in_bytes(text: str) -> int:
    """Read a size: 500MB, 20GB, 1.5 TB, or bytes."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)b?", text.strip().lower())
    if not match:
        raise ConfigError(f"'{text}' is no size: write 500MB, 20GB or a number of bytes")
    return int(float(match[1]) * _UNITS[match[2]])


def most_bytes() -> int:
    """Say how large the store may grow."""
    return size_in_bytes(os.environ.get(MAX_SIZE) or DEFAULT)


class Holds:
    """Files that this process reads: locked together with all who read them, until this is let go."""

    def __init__(self) -> None:
        self._numbers: dict[Path, int] = {}

    def __contains__(self, file: Path) -> bool:
        return file in self._numbers

    def hold(self, file: Path) -> bool:
        """Begin to use a file; tell whether it is still there."""
        if file not in self._numbers:
            number = _open(file)
            if number is not None:
                _lock(number, shared=True)
                self._numbers[file] = number
        return file.exists()

    def release(self) -> None:
        """Use nothing any longer."""
        while self._numbers:
            os.close(self._numbers.popitem()[1])

    def __del__(self) -> None:
        self.release()


def unless_used(file: Path, remove: Callable[[], object]) -> bool:
    """Remove what a file stands for unless somebody uses it; tell whether that was done."""
    number = _open(file)
    if number is None:
        return False
    try:
        if not _lock(number, shared=False):
            return False
        remove()
        return True
    finally:
        os.close(number)


def _open(file: Path) -> int | None:
    try:
        return os.open(file, os.O_RDONLY)
    except OSError:
        return None


def _lock(number: int, shared: bool) -> bool:
    """Lock an open file; where there are no locks, everybody may."""
    try:
        import fcntl

        fcntl.flock(number, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        pass
    return True
