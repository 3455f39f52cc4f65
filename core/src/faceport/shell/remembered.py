"""Configurations that were composed before: the same words over the same files give the same, without Hydra.

Composing takes half a second, most of it the import of Hydra; a first answer should not wait for that. What
is kept lies in the cache folder, under a hash of all that it was made of. Nothing is kept that depends on
anything else (${oc.env:HOME}), tells something else (experiments) or might be secret (a password in an
address).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faceport.catalogue.presets import places
from faceport.errors import FaceportError
from faceport.files import cache_dir, digest, file_sha256, remove_leftovers, write_atomically
from faceport.plugins.index import installed
from faceport.shell.offers import Offers

FOLDER = "composed"  # in the cache
MOST_KEPT = 1000  # then the older half is let go
MOST_FILES = 200  # of a user's own; more are not read for the sake of speed
REFERENCE = "${"  # to what only Hydra resolves
ELSEWHERE = ("experiment", "artifact", "hydra")  # keys whose values name files of another kind, or tell notes


def recall(place: Path | None) -> dict[str, Any] | None:
    """Give the configuration that is kept in a place, if one is."""
    if place is None:
        return None
    with suppress(OSError, ValueError):
        known = json.loads(place.read_text("utf-8"))
        if isinstance(known, dict):
            return known
    return None


def remember(place: Path | None, folder: Path | None, config: dict[str, Any]) -> None:
    """Keep what was composed in its place, for the next time; a full disk is no reason to fail."""
    from faceport.networks.sources.addresses import redacted

    if place is None:
        return
    text = json.dumps(config, default=str)
    if json.loads(text) != config or redacted(text) != text or _refers(folder):
        return
    with suppress(OSError, FaceportError):
        remove_leftovers(place.parent, below=False)
        write_atomically(place, text)
        kept = sorted(place.parent.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for old in kept[: len(kept) // 2 if len(kept) > MOST_KEPT else 0]:
            old.unlink(missing_ok=True)


def place_of(offered: Offers, words: Sequence[str], folder: Path | None) -> Path | None:
    """Name the file of a command line, as all that it depends on is now; None: it is always composed anew."""
    keys = {word.partition("=")[0].lstrip("+~").partition(".")[0].partition("/")[0] for word in words}
    if keys & {*ELSEWHERE} or any(REFERENCE in word for word in words):
        return None
    own = list(_own_files(places(folder, ())))
    if len(own) > MOST_FILES:
        return None
    try:
        files = [*_states(), *((str(path.absolute()), file_sha256(path)) for path in own)]
    except OSError:
        return None
    code = (version("faceport"), version("hydra-core"), sys.version)
    return cache_dir() / FOLDER / f"{digest([code, offered.verb, list(words), files])}.json"


def _states() -> Iterator[tuple[str, int, int]]:
    """Say in what state the YAML files of all plugins are."""
    folders = {choice.path.parent for plugin in installed().plugins for choice in plugin.choices}
    for folder in sorted(folders):
        for path in sorted(folder.glob("*.yaml")):
            state = path.stat()
            yield str(path), state.st_size, state.st_mtime_ns


def _own_files(folders: Iterable[Path]) -> Iterator[Path]:
    """Find a user's own files of configuration, a few more than are read at most."""
    for folder in folders:
        for count, path in enumerate(sorted(folder.rglob("*.yaml"))):
            if count > MOST_FILES:
                return
            yield path


def _refers(folder: Path | None) -> bool:
    """Tell whether options of any plugin's, or files of a user's, refer to what only Hydra resolves."""
    sound = (plugin for plugin in installed().plugins if not plugin.faults)
    choices = (choice for plugin in sound for choice in plugin.choices)
    texts = (json.dumps(choice.options, default=str) for choice in choices)
    own = (path.read_text("utf-8", "replace") for path in _own_files(places(folder, ())))
    return any(REFERENCE in text for text in (*texts, *own))
