"""A list of pairs of pictures with a yes or no: file_x, file_y, decision."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from faceport.data.archive import Archive, open_root
from faceport.data.labelled import LabelledPictures, by_pair
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.files import expand
from faceport.types import Faces

COLUMNS = ("file_x", "file_y", "decision")
DECISIONS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True)
class PairsOptions:
    """Options of the dataset."""

    path: str
    root: str | None = None  # folder or archive of the pictures


class Pairs(LabelledPictures):
    """Stream the pictures of a list of pairs; the truth says which pairs a picture belongs to."""

    Options = PairsOptions
    options: PairsOptions
    truth = frozenset({"identities", "attributes"})
    metrics = ("verification",)
    get = (
        "Say dataset.path=FILE.csv (file_x,file_y,decision) and, if they are elsewhere, dataset.root=PICTURES"
    )

    @cached_property
    def pairs(self) -> list[tuple[str, str, bool]]:
        """Read the list: two names, and whether they are one person."""
        return parse(self.options.path, self.outside(self.options.path, "path"))

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Gather the numbers of the pairs by picture; who is the same as whom gives the identities."""
        who = identities(self.pairs, self.options.path)
        return {
            name: Faces(identities=np.array([who[name]]), attributes=attributes)
            for name, attributes in by_pair(self.pairs).items()
        }

    @cached_property
    def pictures(self) -> Archive:
        """Open the folder of the pictures: that of the list, if no other is named."""
        return open_root(self.options.root or expand(self.options.path).parent)

    @property
    def protocol(self) -> str:
        """Name the list."""
        return f"pairs of {self.options.path}"


def parse(path: str, content: bytes) -> list[tuple[str, str, bool]]:
    """Read the three columns, whatever their order and what else there is."""
    reader = csv.reader(content.decode("utf-8-sig", "backslashreplace").splitlines())
    try:
        (_, first_row), *rows = [(reader.line_num, row) for row in reader] or [(1, [])]
    except csv.Error as error:
        raise FaceportError(f"{path}:{reader.line_num}: {error}") from error
    header = [name.strip().lower() for name in first_row]
    absent = [name for name in COLUMNS if name not in header]
    if absent:
        raise FaceportError(
            f"{path}:1: expected the columns {', '.join(COLUMNS)}, there is no {', '.join(absent)}"
        )
    places = [header.index(name) for name in COLUMNS]
    pairs = []
    for number, row in rows:
        if not any(field.strip() for field in row):
            continue
        if len(row) != len(header):
            raise FaceportError(f"{path}:{number}: expected {len(header)} fields, found {len(row)}")
        first, second, decision = (row[place].strip() for place in places)
        if not first or not second or decision.lower() not in DECISIONS:
            raise FaceportError(
                f"{path}:{number}: expected two files and yes or no, found '{printable(','.join(row), 80)}'"
            )
        pairs.append((first, second, DECISIONS[decision.lower()]))
    if not pairs:
        raise FaceportError(f"{path}: names no pair")
    return pairs


def identities(pairs: list[tuple[str, str, bool]], path: str) -> dict[str, str]:
    """Name each person by the first of the pictures that are linked by yes; a no between them is an error."""
    person: dict[str, str] = {}

    def find(name: str) -> str:
        while person.setdefault(name, name) != name:
            person[name] = person[person[name]]  # halve the way, or a long chain of pairs takes for ever
            name = person[name]
        return name

    for first, second, same in pairs:
        one, other = find(first), find(second)
        if same:
            person[other] = one
    for first, second, same in pairs:
        if not same and find(first) == find(second):
            raise FaceportError(
                f"{path}: {printable(first)} and {printable(second)} are said to be two persons, but other "
                "pairs make them one"
            )
    return {name: find(name) for name in person}
