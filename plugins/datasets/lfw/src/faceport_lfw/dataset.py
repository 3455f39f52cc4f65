"""Labeled Faces in the Wild (http://vis-www.cs.umass.edu/lfw/): 6,000 pairs of faces in ten folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from faceport.data.labelled import LabelledPictures, by_pair, lines
from faceport.data.pictures import PICTURES
from faceport.errors import FaceportError
from faceport.types import Faces

PAIRS = "pairs.txt"


@dataclass(frozen=True)
class LfwOptions:
    """Options of the dataset."""

    root: str = "data/lfw"
    pairs: str | None = None
    folds: int | None = None  # the first so many


class Lfw(LabelledPictures):
    """Stream the pictures of LFW's pairs; the truth says which pairs a picture belongs to."""

    Options = LfwOptions
    options: LfwOptions
    truth = frozenset({"identities", "attributes"})
    metrics = ("verification",)
    get = (
        "LFW is free for research only: take lfw.tgz (or an aligned version of it) and pairs.txt, named on "
        "http://vis-www.cs.umass.edu/lfw/, and say dataset.root=FOLDER_OR_ARCHIVE dataset.pairs=pairs.txt"
    )

    @cached_property
    def pairs(self) -> list[tuple[str, str, bool]]:
        """Read the pairs: two names, and whether they are one person."""
        if self.options.pairs:
            return parse(self.options.pairs, self.outside(self.options.pairs, "pairs"), self.options.folds)
        beside = Path(self.options.root).expanduser().parent / PAIRS
        if PAIRS not in self.root and beside.is_file():
            return parse(str(beside), beside.read_bytes(), self.options.folds)
        return parse(PAIRS, self.root.read(self.annotation(PAIRS)), self.options.folds)

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Gather the numbers of the pairs by picture."""
        return {
            name: Faces(identities=np.array([name.partition("/")[0]]), attributes=attributes)
            for name, attributes in by_pair(self.pairs).items()
        }

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Find the files by name without suffix: aligned versions are often .png."""
        return {
            name.rpartition(".")[0]: name for name in self.pictures.names() if name.lower().endswith(PICTURES)
        }

    def file(self, sample: str) -> str:
        """Give the file name of a picture."""
        return self.files.get(sample, f"{sample}.jpg")

    @property
    def protocol(self) -> str:
        """Name the list, and the folds when they are not all."""
        folds = f", first {self.options.folds} folds" if self.options.folds else ""
        return f"LFW view 2{folds}"


def parse(path: str, content: bytes, folds: int | None = None) -> list[tuple[str, str, bool]]:
    """Read pairs.txt: 'folds pairs', then per fold so many lines 'NAME i j' and 'NAME i OTHER j'."""
    rows = [(number, line.split()) for number, line in lines(content)]
    header = rows[0][1] if rows else []
    if not 1 <= len(header) <= 2 or not all(field.isdecimal() for field in header):
        raise FaceportError(f"{path}:1: expected 'folds pairs', e.g. '10 300'")
    known, each = (int(header[0]), int(header[1])) if len(header) == 2 else (1, int(header[0]))
    if len(rows) - 1 != 2 * known * each:
        raise FaceportError(
            f"{path}: {known} folds of {each} + {each} pairs are announced, {len(rows) - 1} pairs follow"
        )
    if folds and folds > known:
        raise FaceportError(f"{path} has {known} folds, not {folds} (dataset.folds)")
    return [_pair(fields, f"{path}:{number}") for number, fields in rows[1 : 2 * (folds or known) * each + 1]]


def _pair(fields: list[str], where: str) -> tuple[str, str, bool]:
    same = len(fields) == 3
    first, second = (fields[:2], [fields[0], *fields[2:]]) if same else (fields[:2], fields[2:])
    if len(fields) not in (3, 4) or not (first[1].isdecimal() and second[1].isdecimal()):
        raise FaceportError(
            f"{where}: expected 'NAME i j' or 'NAME i OTHER j', found '{' '.join(fields)[:80]}'"
        )
    (a, i), (b, j) = first, second
    return f"{a}/{a}_{int(i):04d}", f"{b}/{b}_{int(j):04d}", same
