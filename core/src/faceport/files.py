"""Paths as they are typed, the folder of what is kept, hashes, files read with bounds and written whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from faceport.errors import ConfigError, FaceportError

MOST_BYTES = 2 << 30  # of a file that is read whole; OpenCV decodes no larger one
_TEMPORARY = re.compile(r"\.faceport-[0-9a-f]{12}\.part(\.\w+)?")
_DEAD = 86400  # seconds after which what nobody can lock is taken for a leftover

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
    setting = os.environ.get("FACEPORT_CACHE")
    if setting:
        return expand(setting)
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
    with open_file(path, most) as file:
        return file.read()


def open_file(path: str | os.PathLike[str], most: int | None = None) -> IO[bytes]:
    """Open a file to read; what is no regular file, or too large, is an OSError."""
    # Opened without waiting, then looked at: what is looked at before could be another file by then.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        facts = os.fstat(number)
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory")
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "is a pipe, a socket or a device, not a file")
        if most is not None and facts.st_size > most:
            raise OSError(errno.EFBIG, f"has {facts.st_size:,} bytes, more than the {most:,} that are read")
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


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


@contextmanager
def begun(path: Path, folder: bool = False) -> Iterator[Path]:
    """Yield a name beside a path to write under until it is whole; what is left of it is removed.

    It is locked, so that nobody takes it for a leftover while this process lives.
    """
    temporary = temporary_beside(path)
    lock = None
    try:
        while lock is None or not os.path.lexists(temporary):  # somebody may look just before it is locked
            lock = _create(temporary, folder)
        yield temporary
    finally:
        if lock:
            os.close(lock)
        _remove(temporary)


def _create(path: Path, folder: bool) -> int:
    """Create a file or folder and lock it; give the number that holds the lock, 0 where there are none."""
    if folder:
        path.mkdir()
        return _lock(path, os.O_RDONLY, wait=True) or 0
    return _lock(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, wait=True) or 0


def _lock(path: Path, how: int, wait: bool) -> int | None:
    """Open and lock a path; 0 where there are no locks (Windows, some network disks), None: it is taken."""
    try:
        import fcntl
    except ImportError:
        if how & os.O_CREAT:
            os.close(os.open(path, how, 0o666))
        return 0
    number = os.open(path, how, 0o666)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        os.close(number)
        return None if isinstance(error, BlockingIOError) else 0
    return number


def remove_leftovers(folder: Path, below: bool = True) -> None:
    """Remove what killed processes began to write into a folder; nothing else can be called so."""
    for path in [*(folder.rglob if below else folder.glob)(".faceport-*")]:
        if _TEMPORARY.fullmatch(path.name) and not path.is_symlink() and not _is_at_work(path):
            _remove(path)


def _is_at_work(path: Path) -> bool:
    """Tell whether somebody still writes what he began."""
    try:
        lock = _lock(path, os.O_RDONLY, wait=False)
        if lock:
            os.close(lock)
            return False
        return lock is None or time.time() - path.stat().st_mtime < _DEAD
    except OSError:  # gone meanwhile, or not ours to read
        return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_atomically(path: Path, text: str | bytes, durable: bool = False) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it.

    A durable one is there after a power cut, too: that costs one to five milliseconds.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with begun(path) as temporary:
            temporary.write_bytes(text.encode() if isinstance(text, str) else text)
            rename(temporary, path, durable)


def rename(temporary: Path, path: Path, durable: bool = True) -> None:
    """Give what is whole its name, so that a power cut leaves the old one or the new one."""
    if durable:
        sync_all(temporary)
    temporary.replace(path)
    if durable:
        sync(path.parent)


def sync_all(path: Path) -> None:
    """Wait until the disk holds a file, or a folder with everything in it."""
    for one in [*path.rglob("*"), path] if path.is_dir() else [path]:
        sync(one)


def sync(path: Path) -> None:
    """Wait until the disk holds a file, or the names in a folder (which Windows does by itself)."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
