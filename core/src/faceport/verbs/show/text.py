"""Words that fit a terminal: wrapped at blanks, shortened in the middle.

Light: `faceport list` waits for it.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TextIO

ELLIPSIS = "…"
SEPARATORS = "/._-:"  # of paths, nodes and names: where they may be cut
TAIL = 0.6  # share of a shortened text that is its end, which tells more than its beginning
PLAIN = {"…": "...", "≈": "~", "±": "+-", "↑": "(up)", "↓": "(down)", "–": "-"}  # where there is no UTF-8


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding has no letter for in letters that all have."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


codecs.register_error("faceport.plain", _in_plain)


def accept_all(stream: TextIO) -> TextIO:
    """Have a stream write what its encoding has no letter for in other letters, rather than raise."""
    if isinstance(stream, io.TextIOWrapper) and "utf" not in stream.encoding.lower():
        stream.reconfigure(errors="faceport.plain")
    return stream


def cell_len(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def wrap(text: str, width: int | None, indent: int = 0) -> list[str]:
    """Break a text at its blanks; what has none stays whole. Lines after the first are indented."""
    if width is None or cell_len(text) <= width:
        return [text]
    lead = re.match(r" *", text)[0]  # type: ignore[index]  # it matches always
    lines, line = [], lead
    for word in text.split():
        joined = f"{line}{' ' * bool(line.strip())}{word}"
        if line.strip() and cell_len(joined) > width:
            lines.append(line)
            joined = f"{lead}{' ' * indent}{word}"
        line = joined
    return [*lines, line]


def columns_are_set() -> bool:
    """Tell whether somebody says how wide tables are to be, a pipe's too."""
    return os.environ.get("COLUMNS", "").isdecimal()


def width_of(stream: TextIO) -> int | None:
    """Tell how many letters a line may have: of a terminal, or COLUMNS; None: as many as there are."""
    return shutil.get_terminal_size().columns if stream.isatty() or columns_are_set() else None


def print_sentence(text: str, indent: int = 0, stream: TextIO | None = None) -> None:
    """Print a sentence, broken at its blanks where a terminal shows it; in a pipe it stays one line."""
    stream = accept_all(stream or sys.stdout)
    for line in wrap(text, width_of(stream) if stream.isatty() else None, indent):
        print(line, file=stream)


def shorten(text: str, width: int, share: float = TAIL) -> str:
    """Leave out the middle of a text that is too long, at the separators of a path or name if it can be."""
    if cell_len(text) <= width:
        return text
    room = max(width - 1, 1)
    tail = text[len(text) - min(len(text), max(1, round(room * share))) :]
    while cell_len(tail) > room:
        tail = tail[1:]
    at = next((place for place, letter in enumerate(tail) if letter in SEPARATORS), len(tail))
    if at <= len(tail) // 2:  # no half of a word, where a whole one is near
        tail = tail[at:]
    head, left = "", width - 1 - cell_len(tail)
    for letter in text:
        left -= _columns(letter)
        if left < 0:
            break
        head += letter
    return f"{head}{ELLIPSIS}{tail}"


def shorten_apart(texts: Sequence[str], width: int) -> list[str]:
    """Shorten texts that stand below each other; what differed still differs, or stays as long as it is."""
    for share in (TAIL, 1 - TAIL, 0.2):
        short = [shorten(text, width, share) for text in texts]
        if len(set(short)) == len(set(texts)):
            return short
    return [*texts]


def shared_start(names: Iterable[str], separators: str = SEPARATORS) -> str:
    """Find how all names begin, up to a separator; empty where they share nothing or there is but one."""
    all_names = [*names]
    if len(set(all_names)) < 2:
        return ""
    first, last = min(all_names), max(all_names)
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: max((first.rfind(one, 0, same) for one in separators), default=-1) + 1]


def listed(words: Sequence[str], most: int) -> str:
    """Name the first of some words, and how many more there are."""
    named = ", ".join(words[:most])
    return named if len(words) <= most else f"{named} and {len(words) - most} more"
