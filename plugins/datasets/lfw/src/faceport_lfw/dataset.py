"""Labeled Faces in the Wild (http://vis-www.cs.umass.edu/lfw/): 6,000 pairs of faces in ten folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from faceport.data.labelled import LabelledPictures, by_pair, count_in, lines, only_one
from faceport.data.pictures import is_picture
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.files import expand
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
        beside = expand(self.options.root).parent / PAIRS
        if PAIRS not in self.root and beside.is_file():
            return parse(str(beside), self.outside(str(beside), "pairs"), self.options.folds)
        return parse(PAIRS, self.read_annotations(self.annotation(PAIRS)), self.options.folds)

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
        return only_one(filter(is_picture, self.pictures.names()), str(self.pictures.path))

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
    counts = [count for field in header if (count := count_in(field)) is not None]
    if not 1 <= len(header) <= 2 or len(counts) != len(header):
        raise FaceportError(f"{path}:1: expected 'folds pairs', e.g. '10 300'")
    known, each = counts if len(counts) == 2 else (1, counts[0])
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
    numbers = [count_in(one[1]) for one in (first, second) if len(one) == 2]
    if len(fields) not in (3, 4) or len(numbers) != 2 or None in numbers:
        raise FaceportError(
            f"{where}: expected 'NAME i j' or 'NAME i OTHER j', found '{printable(' '.join(fields), 80)}'"
        )
    (a, b), (i, j) = (first[0], second[0]), numbers
    return f"{a}/{a}_{i:04d}", f"{b}/{b}_{j:04d}", same
