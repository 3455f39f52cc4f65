"""Published numbers beside those of records, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faceport.errors import ConfigError
from faceport.runs.published import Printed, published_of
from faceport.runs.record import Record
from faceport.verbs.show.numbers import number
from faceport.verbs.show.quantities import COSTS, numbers_of

NONE = "–"


@dataclass(frozen=True)
class Line:
    """One published number, and ours."""

    label: str  # of the run
    key: str
    published: str
    where: str  # on what machine or data it was, where that is said
    measured: str
    said: str


def beside(records: Sequence[Record], labels: Sequence[str]) -> tuple[list[Line], list[str]]:
    """Hold the numbers of records against those that were published of the same; give notes, too."""
    lines: list[Line] = []
    notes: dict[str, None] = {}
    for record, label in zip(records, labels, strict=True):
        try:
            some = published_of(record.config)
        except ConfigError as error:
            notes[str(error)] = None
            continue
        own = numbers_of(record) if some else {}
        for published in some:
            for key, printed in published.numbers.items():
                value = own[key].value if key in own else None
                said = _said(printed, value)
                if record.untrained and key.partition(".")[0] not in COSTS:
                    value, said = None, "not to be compared: weights are random"
                text = NONE if value is None else _short(value)
                lines.append(Line(label, key, printed.text, published.where, text, said))
            notes |= dict.fromkeys(filter(None, (f"Published: {published.source}", published.note)))
    return lines, [*notes]


def _said(published: Printed, own: float | None) -> str:
    if own is None:
        return "not measured"
    if published.agrees(own):
        return "the same"
    return f"{own / published.value - 1:+.2%}" if published.value else ""


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.6g}{unit}"
    return number(value)
