"""A content-addressed folder store: what was made once from the same things is never made again."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from faceport.files import cache_dir, digest, disk_errors, file_sha256, write_atomically
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
        """Find a finished folder whose files are all there, and are what they were."""
        entry = read_entry(self.root / kind / key, kind)
        if entry is None or damage(entry, contents=kind in COMPARED):
            return None
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
        if path.stat().st_size > LARGEST:
            return None
        manifest = json.loads(path.read_text(encoding="utf-8"))
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
    hashes = entry.manifest.get("sha256", {})
    for name, size in entry.manifest.get("files", {}).items():
        file = inside(entry.path, name)
        if not file.is_file() or file.stat().st_size != size:
            return f"{file} is missing or cut short"
        if contents and file_sha256(file) != hashes.get(name):
            return f"{file} is not the file that was written (its hash differs)"
    return ""
