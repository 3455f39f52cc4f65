"""A content-addressed folder store: what was made once from the same things is never made again."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from faceport.artifacts.usage import Holds, most_bytes, unless_used
from faceport.files import (
    cache_dir,
    digest,
    disk_errors,
    file_sha256,
    read_file,
    sync,
    sync_all,
    write_atomically,
)
from faceport.places import inside

MANIFEST = "manifest.json"
LARGEST = 16 << 20  # bytes of a manifest
COMPARED = ("artifact", "onnx")  # kinds whose files are compared by content whenever they are asked for


@dataclass(frozen=True)
class Entry:
    """One finished folder of the store."""

    kind: str
    key: str
    path: Path
    manifest: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    @property
    def declared_bytes(self) -> int:
        """Bytes of its files as its manifest has them, without looking at each."""
        return sum(self.manifest.get("files", {}).values())

    @property
    def used(self) -> float:
        """Seconds since the epoch when it was last asked for."""
        return (self.path / MANIFEST).stat().st_mtime


class Store:
    """Make folders by key: each once, whole or not at all, by one process at a time."""

    def __init__(self, root: Path | None = None, fresh: bool = False) -> None:
        self.root = root or cache_dir()
        self.fresh = fresh  # what this very store did not make is made anew
        self._made: set[tuple[str, str]] = set()
        self._used = Holds()

    def get(
        self, kind: str, recipe: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any] | None]
    ) -> Entry:
        """Find the folder made from `recipe`, or let `make(folder)` write it; what it returns is kept too."""
        key = digest(recipe)[:32]
        anew = self.fresh and (kind, key) not in self._made
        entry = None if anew else self.find(kind, key)
        if entry:
            return entry
        with disk_errors(self.root):
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / "locks" / f"{kind}-{key}.lock"):
            self._remove_orphans(f"{kind}-{key}")
            entry = None if anew else self.find(kind, key)
            return entry or self._make(kind, key, recipe, make)

    def find(self, kind: str, key: str) -> Entry | None:
        """Find a finished folder whose files are all there, and are what they were."""
        entry = read_entry(self.root / kind / key, kind)
        if entry is None or damage(entry, contents=kind in COMPARED):
            return None
        if not self._used.hold(entry.path / MANIFEST):
            return None  # removed at this very moment
        with suppress(OSError):  # a cache that can only be read is as good
            os.utime(entry.path / MANIFEST)
        return entry

    def _make(
        self,
        kind: str,
        key: str,
        recipe: Mapping[str, Any],
        make: Callable[[Path], Mapping[str, Any] | None],
    ) -> Entry:
        final = self.root / kind / key
        temporary = self.root / "tmp" / f"{kind}-{key}-{uuid.uuid4().hex[:8]}"
        old = temporary.with_name(f"{temporary.name}-old")
        with disk_errors(self.root):
            try:
                temporary.mkdir(parents=True)
                extra = make(temporary) or {}
                write_manifest(temporary, {"recipe": recipe, **extra})
                sync_all(temporary)
                final.parent.mkdir(parents=True, exist_ok=True)
                if final.exists():  # damaged, or to be made anew
                    final.rename(old)
                temporary.rename(final)
                sync(final.parent)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
                shutil.rmtree(old, ignore_errors=True)
        self._made.add((kind, key))
        entry = read_entry(final, kind)
        assert entry is not None
        self._used.hold(entry.path / MANIFEST)
        self.trim(most_bytes())
        return entry

    def entries(self) -> list[Entry]:
        """List all finished folders, the latest used first."""
        found = [
            entry
            for folder in sorted(self.root.glob("*/*/"))
            if folder.parent.name not in ("tmp", "locks")
            if (entry := read_entry(folder, folder.parent.name))
        ]
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def prune(self, unused_days: float = 0.0) -> list[Entry]:
        """Remove what was not asked for in so many days, and what a killed process left behind."""
        before = time.time() - unused_days * 86400
        self._used.release()
        removed = [entry for entry in self.entries() if entry.used <= before and self._remove(entry)]
        self._remove_orphans()
        return removed

    def trim(self, most: int) -> list[Entry]:
        """Remove what was asked for longest ago until the rest has no more bytes than that."""
        entries, removed = self.entries(), []
        excess = sum(entry.declared_bytes for entry in entries) - most
        for entry in reversed(entries):
            if excess <= 0:
                break
            if self._remove(entry):
                removed.append(entry)
                excess -= entry.declared_bytes
        return removed

    def _remove(self, entry: Entry) -> bool:
        """Remove an entry that nobody uses."""
        with FileLock(self.root / "locks" / f"{entry.kind}-{entry.key}.lock"):
            return unless_used(entry.path / MANIFEST, lambda: shutil.rmtree(entry.path, ignore_errors=True))

    def _remove_orphans(self, locked: str = "") -> None:
        """Remove what killed processes began: nobody holds the lock that its maker held, or it is ours."""
        for orphan in (self.root / "tmp").glob("*"):
            kind, _, rest = orphan.name.partition("-")
            name = f"{kind}-{rest.partition('-')[0]}"
            if name == locked:
                shutil.rmtree(orphan, ignore_errors=True)
                continue
            try:
                with FileLock(self.root / "locks" / f"{name}.lock", timeout=0):
                    shutil.rmtree(orphan, ignore_errors=True)
            except (Timeout, OSError):  # at work; or a cache that can only be read
                continue


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the manifest of a folder: its content, and each file with its size and hash."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    names = {str(file.relative_to(folder)): file for file in files}
    manifest = {
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **content,
        "files": {name: file.stat().st_size for name, file in names.items()},
        "sha256": {name: file_sha256(file) for name, file in names.items()},
    }
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=2, default=str))


def read_entry(folder: Path, kind: str) -> Entry | None:
    """Read a folder's manifest; None where there is none, or it is not what one looks like."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(read_file(path, LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return Entry(kind, folder.name, folder, manifest) if _is_manifest(manifest) else None


def _is_manifest(content: Any) -> bool:
    """Tell whether plain data have the form of a manifest: it may come from somebody else."""
    if not isinstance(content, dict):
        return False
    mappings = [content.get(key, {}) for key in ("files", "sha256", "recipe", "weights", "parity", "runs_as")]
    if not all(isinstance(value, dict) for value in mappings):
        return False
    files, hashes, _, weights, parity, facts = mappings
    outputs = parity.get("outputs", {})
    return (
        all(type(size) is int for size in files.values())
        and all(isinstance(value, str) for value in (*hashes.values(), *facts.values()))
        and isinstance(weights.get("source", ""), str)
        and isinstance(outputs, dict)
        and all(isinstance(one, dict) and {"max_rel", "snr_db"} <= {*one} for one in outputs.values())
    )


def damage(entry: Entry, contents: bool = True) -> str:
    """Name the first file of a finished folder that is not what it was; empty where all are."""
    return next(damages(entry, contents), "")


def damages(entry: Entry, contents: bool = True) -> Iterator[str]:
    """Name every file of a finished folder that is not what it was."""
    hashes = entry.manifest.get("sha256", {})
    for name, size in entry.manifest.get("files", {}).items():
        file = inside(entry.path, name)
        if not file.is_file() or file.stat().st_size != size:
            yield f"{file} is missing or cut short"
        elif contents and file_sha256(file) != hashes.get(name):
            yield f"{file} is not the file that was written (its hash differs)"
