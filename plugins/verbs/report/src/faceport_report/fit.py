"""Columns that fit a line: the first of them in order of importance; the others are named, never broken."""

from __future__ import annotations

from collections.abc import Sequence

from faceport.verbs.show.table import GAP, TITLE, Cell, Column
from faceport.verbs.show.text import cell_len

WIDTH = 80
LEAST = 8  # letters that are left of what tells runs apart


def fitting(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int | None) -> list[int]:
    """Choose the columns that fit so many letters; those that say what a row is stay."""
    every = [*range(len(columns))]
    if width is None:
        return every
    kept = [at for at in every if columns[at].key]
    room = width - sum(_wide(columns, rows, at) + GAP for at in kept) + GAP
    for at in every:
        if at in kept:
            continue
        room -= _wide(columns, rows, at) + GAP
        if room < 0:
            break
        kept.append(at)
    return sorted(kept)


def _wide(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], at: int) -> int:
    title = columns[at].title
    words = max(map(cell_len, title.split()), default=0)
    widest = max((cell_len(row[at].text) for row in rows), default=0)
    shortest = min(widest, columns[at].least) if columns[at].least else widest
    return max(shortest, words, min(cell_len(title), TITLE))
