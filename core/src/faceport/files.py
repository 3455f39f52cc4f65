"""Paths as they are typed, the folder of what is kept, hashes, files read with bounds and written whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faceport.errors import ConfigError, FaceportError

MOST_BYTES = 2 << 30  # of a file that is read whole; OpenCV decodes no larger one
_TEMPORARY = re.compile(r"\.faceport-[0-9a-f]{12}\.part(\.\w+)?")

# What a path can be wrong with, beside a full disk and permissions.
_ODD = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG)


def expand(path: str | os.PathLike[str]) -> Path:
    """Make a path of what a user typed: '~' is a home folder, unless there is a file of that very name."""
    text = os.fspath(path)
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ConfigError(f"{text!r} is no path: it holds half a character (a lone surrogate)") from error
    if "\0" in text:
        raise ConfigError(f"{text!r} is no path: it holds a NUL character")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        name = Path(text).parts[0]
        if os.path.lexists(name):
            return Path(text)
        whose = f"there is no user '{name[1:]}'" if name != "~" else "this user has no home folder (HOME)"
        raise ConfigError(
            f"{text}: {whose}, so '{name}' leads nowhere. Write the folder out, or ./{name} for that name"
        ) from error


def cache_dir() -> Path:
    """Find the folder for artifacts and downloads: FACEPORT_CACHE, or the user's cache folder."""
    given = os.environ.get("FACEPORT_CACHE")
    if given:
        return expand(given)
    from platformdirs import user_cache_path

    return Path(user_cache_path("faceport"))


def digest(value: Any) -> str:
    """Hash plain data, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FaceportError(
                f"no space left on the disk that holds {place}; nothing half-written was kept. "
                "Free some space (faceport cache prune) or set FACEPORT_CACHE to another disk"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise FaceportError(
                f"cannot write to {error.filename or place}: {error.strerror}. "
                "Set FACEPORT_CACHE (artifacts) or out= (results) to a folder that you own"
            ) from error
        if error.errno in _ODD:
            raise FaceportError(f"cannot use {error.filename or place}: {error.strerror}") from error
        raise


def read_file(path: str | os.PathLike[str], most: int = MOST_BYTES) -> bytes:
    """Read a whole file; what is no regular file (a pipe would wait for ever) or too large is an OSError."""
    # Opened without waiting, then looked at: what is looked at before could be another file by then.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        facts = os.fstat(number)
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory")
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "is a pipe, a socket or a device, not a file")
        if facts.st_size > most:
            raise OSError(errno.EFBIG, f"has {facts.st_size:,} bytes, more than the {most:,} that are read")
        with os.fdopen(number, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(number)


def state_of(path: str | os.PathLike[str]) -> str:
    """Tell a file's bytes from others under its name, by size and time of change, without reading them."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - for twenty thousand pictures, a Path costs more than the call
    except OSError:
        return "absent"
    return f"{facts.st_size} {facts.st_mtime_ns}"


def temporary_beside(path: Path) -> Path:
    """Name a file beside another that is renamed to it when it is whole; it keeps the suffix."""
    return path.with_name(
        f".faceport-{uuid.uuid4().hex[:12]}.part{path.suffix if path.suffix.isascii() else ''}"
    )


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes began to write into a folder; nothing else can be called so."""
    for path in folder.rglob(".faceport-*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


def write_atomically(path: Path, text: str | bytes, durable: bool = False) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it.

    A durable one is there after a power cut, too: that costs a wait for the disk.
    """
    temporary = temporary_beside(path)
    with disk_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(text.encode() if isinstance(text, str) else text)
            if durable:
                sync(temporary)
            temporary.replace(path)
            if durable:
                sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the disk holds a file, or the names in a folder (which Windows does by itself)."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
