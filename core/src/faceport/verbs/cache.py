"""Show or empty the store of compiled networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceport.artifacts.store import Entry, Store
from faceport.artifacts.usage import MAX_SIZE, most_bytes, size_in_bytes
from faceport.errors import ConfigError, suggest
from faceport.verb import Verb

ACTIONS = ("list", "prune")


@dataclass(frozen=True)
class CacheOptions:
    """What to do, and to which entries."""

    action: list[str] = field(default_factory=list)  # list, prune; nothing: list
    days: float = 0.0  # prune: only what was not used for so long
    size: str | None = None  # prune: only what was used longest ago, until the rest is no larger

    def __post_init__(self) -> None:
        if self.size is not None:
            size_in_bytes(self.size)
            if self.days:
                raise ValueError("size and days say different things: give one of them")
        if self.days < 0:
            raise ValueError(f"days is {self.days:g}, it must not be negative")


@dataclass(frozen=True, eq=False)
class Content:
    """Entries of the store, still there or just removed, with their sizes."""

    root: Path
    entries: tuple[Entry, ...]
    removed: bool


class Cache(Verb):
    """Show or empty the store."""

    Options = CacheOptions
    options: CacheOptions

    def act(self, config: Mapping[str, Any]) -> Content:
        """List the entries, or remove those that were not used for some days."""
        action, *rest = self.options.action or ["list"]
        if action not in ACTIONS:
            raise ConfigError(f"cache has no command '{action}'. {suggest(action, ACTIONS)}")
        limits = [name for name in ("days", "size") if getattr(self.options, name)]
        if rest or (action == "list" and limits):
            wrong = " ".join(rest or limits)
            raise ConfigError(
                f"cache {action} does not take '{wrong}'; cache prune takes days=NUMBER or size=20GB"
            )
        store = Store()
        if action == "list":
            return Content(store.root, tuple(store.entries()), removed=False)
        if self.options.size is not None:
            return Content(store.root, tuple(store.trim(size_in_bytes(self.options.size))), removed=True)
        return Content(store.root, tuple(store.prune(self.options.days)), removed=True)

    def show(self, outcome: Content) -> int:
        """Print a line for each entry, or how many were removed."""
        if outcome.removed:
            print(f"removed {len(outcome.entries)} entries from {outcome.root}")
            return 0
        sizes = [entry.size for entry in outcome.entries]
        for entry, size in zip(outcome.entries, sizes, strict=True):
            about = entry.manifest
            what = f"{about.get('network', '')} {about.get('target', '')}".rstrip()
            created = about.get("created", "")
            print(f"{entry.kind:9} {entry.key[:12]}  {size / 1e6:8.1f} MB  {created:24}  {what}")
        most = f"at most {most_bytes() / 1e9:g} GB ({MAX_SIZE})"
        print(f"{len(sizes)} entries, {sum(sizes) / 1e6:.1f} MB in {outcome.root}, {most}")
        return 0
