"""Records below folders, read one by one: what cannot be believed is named and never mixed in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceport.errors import FaceportError, MissingError
from faceport.files import expand
from faceport.runs.folder import STATE
from faceport.runs.record import FILE, Record

REFERENCE = "reference-"  # how folders of the fp32 reference begin; they have predictions and no record
UNSEALED = "has no hash of its content: an earlier faceport or a hand wrote it. Run it again"


@dataclass(frozen=True)
class Run:
    """A record, and where it was found."""

    path: Path  # of the file
    record: Record

    @property
    def folder(self) -> Path:
        """Give the folder of the file, wherever it was moved to since."""
        return self.path.parent

    @property
    def scored(self) -> bool:
        """Tell whether its numbers may be used, as those of an unfinished run may not."""
        return self.record.status == "done"


@dataclass(frozen=True)
class Gathered:
    """What was found: runs in the order in which they were written, and what is no record, and why."""

    runs: tuple[Run, ...]
    refused: tuple[str, ...]


def gather(places: Sequence[str]) -> Gathered:
    """Read every record at or below some places; the same record in two places counts once."""
    runs: list[Run] = []
    refused: list[str] = []
    known: set[str] = set()
    for path in dict.fromkeys(path for place in places for path in _files(place)):
        if path.name == STATE:
            refused.append(f"{path.parent} has no {FILE}: its run was interrupted. The same command goes on")
            continue
        try:
            run = read(path)
        except FaceportError as error:
            refused.append(str(error))
            continue
        if run.record.seal not in known:
            known.add(run.record.seal)
            runs.append(run)
    return Gathered(tuple(sorted(runs, key=lambda run: run.record.written)), tuple(refused))


def read(path: Path) -> Run:
    """Read one record, or say why it cannot be believed."""
    record = Record.read(path)
    if record is None:
        raise MissingError(f"{path} does not exist (looked for at {path.absolute()})")
    if not record.sealed:
        raise FaceportError(f"{path} {UNSEALED}")
    return Run(path, record)


def one(place: str) -> Run:
    """Read the record that a user names, by its file or its folder."""
    path = expand(place)
    return read(path / FILE if path.is_dir() else path)


def _files(place: str) -> Iterator[Path]:
    """Find the files of records; of an unfinished run, the file that its folder was begun with."""
    path = expand(place)
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise MissingError(f"there is no folder and no record {path} (looked for at {path.absolute()})")
    for folder, below, files in os.walk(path):
        below.sort()
        if FILE in files:
            yield Path(folder, FILE)
        elif STATE in files and not Path(folder).name.startswith(REFERENCE):
            yield Path(folder, STATE)
