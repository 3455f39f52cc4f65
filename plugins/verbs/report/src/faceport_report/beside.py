"""Published numbers beside those of records, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faceport.errors import ConfigError
from faceport.runs.published import published_of
from faceport.runs.record import Record
from faceport.verbs.show.numbers import large
from faceport.verbs.show.quantities import means_nothing, numbers_of

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
                said = printed.verdict(value)
                if means_nothing(record, key.partition(".")[0]):
                    value, said = None, "not to be compared: weights are random"
                text = NONE if value is None else large(value)
                lines.append(Line(label, key, printed.text, published.where, text, said))
            notes |= dict.fromkeys(filter(None, (f"Published: {published.source}", published.note)))
    return lines, [*notes]
