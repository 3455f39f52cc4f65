"""The folder of what is kept, hashes, and files written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faceport.errors import FaceportError


def cache_dir() -> Path:
    """Find the folder for artifacts and downloads: FACEPORT_CACHE, or the user's cache folder."""
    given = os.environ.get("FACEPORT_CACHE")
    if given:
        return Path(given).expanduser()
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
        raise


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    with disk_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(text.encode() if isinstance(text, str) else text)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
