"""A content-addressed folder store: what was made once from the same things is never made again."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from faceport.files import cache_dir, digest, disk_errors, write_atomically

MANIFEST = "manifest.json"


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
    def used(self) -> float:
        """Seconds since the epoch when it was last asked for."""
        return (self.path / MANIFEST).stat().st_mtime


class Store:
    """Make folders by key: each once, whole or not at all, by one process at a time."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_dir()

    def get(
        self, kind: str, recipe: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any] | None]
    ) -> Entry:
        """Find the folder made from `recipe`, or let `make(folder)` write it; what it returns is kept too."""
        key = digest(recipe)[:32]
        found = self.find(kind, key)
        if found:
            return found
        with disk_errors(self.root):
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / "locks" / f"{kind}-{key}.lock"):
            return self.find(kind, key) or self._make(kind, key, recipe, make)

    def find(self, kind: str, key: str) -> Entry | None:
        """Find a finished folder whose files are all there."""
        path = self.root / kind / key
        entry = read_entry(path, kind)
        if entry is None or any(
            not (path / name).is_file() or (path / name).stat().st_size != size
            for name, size in entry.manifest.get("files", {}).items()
        ):
            return None
        os.utime(path / MANIFEST)
        return entry

    def _make(
        self,
        kind: str,
        key: str,
        recipe: Mapping[str, Any],
        make: Callable[[Path], Mapping[str, Any] | None],
    ) -> Entry:
        final = self.root / kind / key
        temporary = self.root / "tmp" / f"{key}-{uuid.uuid4().hex[:8]}"
        with disk_errors(self.root):
            try:
                temporary.mkdir(parents=True)
                extra = make(temporary) or {}
                write_manifest(temporary, {"recipe": recipe, **extra})
                if final.exists():  # damaged, or we would have found it
                    shutil.rmtree(final)
                final.parent.mkdir(parents=True, exist_ok=True)
                temporary.rename(final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        entry = read_entry(final, kind)
        assert entry is not None
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
        removed = [entry for entry in self.entries() if entry.used <= before]
        for entry in removed:
            with FileLock(self.root / "locks" / f"{entry.kind}-{entry.key}.lock"):
                shutil.rmtree(entry.path, ignore_errors=True)
        for orphan in (self.root / "tmp").glob("*"):
            if orphan.stat().st_mtime < time.time() - 86400:  # a compile may be at work in a younger one
                shutil.rmtree(orphan, ignore_errors=True)
        return removed


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the manifest of a folder: its content, and each file with its size."""
    files = {
        str(file.relative_to(folder)): file.stat().st_size
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
    manifest = {"created": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **content, "files": files}
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=2, default=str))


def read_entry(folder: Path, kind: str) -> Entry | None:
    """Read a folder's manifest; None where there is none or it is damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return Entry(kind, folder.name, folder, manifest)
