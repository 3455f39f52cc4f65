"""Tables that fit a terminal: narrower columns, prose that wraps, and at last several tables for one.

Light: `faceport list` waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from faceport.escapes import printable
from faceport.verbs.show.text import cell_len, shorten_apart, wrap

GAP = 2  # blanks between two columns
TITLE = 8  # a title takes several lines rather than make a column wider than this
PROSE = 30  # narrowest column of sentences; half of a terminal that is very narrow


@dataclass(frozen=True)
class Column:
    """A column: what it is called, and what may be done to it where there is no room."""

    title: str = ""
    above: str = ""  # what its neighbours have in common with it, written once over them
    right: bool = False  # numbers
    least: int = 0  # cells may be shortened down to so many letters; 0: never
    prose: bool = False  # cells are sentences: they wrap at blanks
    key: bool = False  # it says what a row is: repeated where a table becomes several


@dataclass(frozen=True)
class Cell:
    """A cell: text, and a style of rich."""

    text: str
    style: str = ""


Row = Sequence[Cell]
Line = list[Cell]  # of text, piece by piece


def row(*texts: str) -> list[Cell]:
    """Make a row of plain texts."""
    return [Cell(text) for text in texts]


def lines(columns: Sequence[Column], rows: Sequence[Row], width: int | None) -> list[Line]:
    """Write a table in so many letters a line; None: however wide, a line for each row."""
    columns = [replace(column, title=printable(column.title)) for column in columns]
    rows = [[Cell(printable(cell.text), cell.style) for cell in one] for one in rows]
    if width is None:
        columns = [replace(one, title=".".join(filter(None, (one.above, one.title)))) for one in columns]
        columns = [replace(column, above="") for column in columns]
        return _written(columns, rows, [_natural(columns, rows, at, None) for at in range(len(columns))])
    written: list[Line] = []
    for block in _blocks(columns, rows, width):
        some = [columns[at] for at in block]
        part = [[one[at] for at in block] for one in rows]
        written += [*([[]] if written else []), *_written(some, part, _widths(some, part, width))]
    return written


def _natural(columns: Sequence[Column], rows: Sequence[Row], at: int, width: int | None) -> int:
    """Find how wide a column wants to be; a title may take several lines where the width is bounded."""
    widest = max((cell_len(one[at].text) for one in rows), default=0)
    title = columns[at].title
    if width is None:
        return max(widest, cell_len(title))
    longest = max(map(cell_len, title.split()), default=0)
    return max(widest, longest, min(cell_len(title), TITLE))


def _widths(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[int]:
    """Narrow columns until they fit, the widest of those that may be shortened first; then the prose."""
    widths = [_natural(columns, rows, at, width) for at in range(len(columns))]
    least = [min(column.least or w, w) for column, w in zip(columns, widths, strict=True)]
    prose = next((at for at, column in enumerate(columns) if column.prose), None)
    wanted = widths[prose] if prose is not None else 0
    if prose is not None:
        widths[prose] = least[prose] = min(wanted, PROSE, width // 2)
    room = width - GAP * (len(columns) - 1)
    while sum(widths) > room:
        spare, at = max((have - low, at) for at, (have, low) in enumerate(zip(widths, least, strict=True)))
        if not spare:
            break
        widths[at] -= 1
    if prose is not None:
        widths[prose] = max(widths[prose], min(wanted, room - sum(widths) + widths[prose]))
    return widths


def _blocks(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Iterator[list[int]]:
    """Give the columns that stand beside each other; those under one heading stay together if they can."""

    def fits(block: Sequence[int], narrowed: bool) -> bool:
        part = [[one[at] for at in block] for one in rows]
        some = [columns[at] for at in block]
        wanted = [_natural(some, part, at, width) for at in range(len(some))]
        return sum(_widths(some, part, width) if narrowed else wanted) + GAP * (len(block) - 1) <= width

    every = [*range(len(columns))]
    keys = [at for at in every if columns[at].key]
    if fits(every, narrowed=True) or not keys:
        yield every
        return
    # A second table reads better than mutilated names of rows, as long as these leave half of the width.
    narrowed = not fits([*keys, *keys], narrowed=False)
    others = groupby((at for at in every if at not in keys), lambda at: columns[at].above or f"#{at}")
    groups = [[*group] for _, group in others]
    pieces: list[list[int]] = []
    for group in groups:
        pieces += [group] if fits([*keys, *group], narrowed) else [[at] for at in group]
    block = keys
    for piece in pieces:
        if block != keys and not fits([*block, *piece], narrowed):
            yield block
            block = keys
        block = [*block, *piece]
    yield block


def _written(columns: Sequence[Column], rows: Sequence[Row], widths: list[int]) -> list[Line]:
    """Write headings and rows into columns of these widths."""
    spans = [[*group] for _, group in groupby(range(len(columns)), lambda at: columns[at].above or f"#{at}")]
    for span in spans:  # a heading over several columns must fit into them
        inside = sum(widths[at] for at in span) + GAP * (len(span) - 1)
        widths[span[-1]] += max(0, cell_len(columns[span[0]].above) - inside)
    written = []
    if any(column.above for column in columns):
        parts = []
        for span in spans:
            room = sum(widths[at] for at in span) + GAP * (len(span) - 1)
            parts.append(
                [Cell(columns[span[0]].above, "bold"), Cell(" " * (room - cell_len(columns[span[0]].above)))]
            )
        written.append(_joined(parts))
    titles = [wrap(one.title, w) for one, w in zip(columns, widths, strict=True)]
    if any(column.title for column in columns):
        height = max(map(len, titles))
        titles = [[""] * (height - len(some)) + some for some in titles]  # they stand on the first row
        written += _stacked(columns, [[(text, "bold") for text in some] for some in titles], widths)
    texts = [
        _fitted([one[at].text for one in rows], column, w)
        for at, (column, w) in enumerate(zip(columns, widths, strict=True))
    ]
    for number, one in enumerate(rows):
        cells = [[(text, cell.style) for text in texts[at][number]] for at, cell in enumerate(one)]
        written += _stacked(columns, cells, widths)
    return written


def _fitted(texts: Sequence[str], column: Column, width: int) -> list[list[str]]:
    """Give the lines of each cell of a column."""
    if column.prose:
        return [wrap(text, width) for text in texts]
    return [[text] for text in (shorten_apart(texts, width) if column.least else texts)]


def _stacked(
    columns: Sequence[Column], cells: Sequence[Sequence[tuple[str, str]]], widths: Sequence[int]
) -> Iterator[Line]:
    """Write cells of one or several lines beside each other."""
    for number in range(max(map(len, cells), default=0)):
        parts = []
        for column, cell, width in zip(columns, cells, widths, strict=True):
            text, style = cell[number] if number < len(cell) else ("", "")
            piece, blanks = Cell(text, style), Cell(" " * (width - cell_len(text)))
            parts.append([blanks, piece] if column.right else [piece, blanks])
        yield _joined(parts)


def _joined(parts: Sequence[Line]) -> Line:
    """Write pieces beside each other, with gaps, and no blanks at the end of the line."""
    line = [piece for part in parts for piece in (*part, Cell(" " * GAP)) if piece.text]
    while line and not line[-1].text.strip():
        line.pop()
    return line


def plain(line: Line) -> str:
    """Give the text of a line."""
    return "".join(piece.text for piece in line)
