"""Many records as one table: what differs between them, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faceport.runs.record import Record

MOST_NUMBERS = 6  # columns of metrics
MOST_ROWS = 3  # named by a note


@dataclass(frozen=True)
class Summary:
    """Columns and rows of text; the last column is the status of each record."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    reasons: tuple[str, ...]  # of failures; the status names them by number, from 1
    notes: tuple[str, ...]


def summarise(records: Sequence[Record]) -> Summary:
    """Make the table of a sweep."""
    settings = [_flat(record.config) for record in records]
    keys = sorted({key for setting in settings for key in setting})
    varied = [key for key in keys if len({str(setting.get(key)) for setting in settings}) > 1]
    varied = [key for key in varied if not _explained(key, settings)]
    numbers = [headline(record.metrics) for record in records]
    shown = list(dict.fromkeys(name for one in numbers for name in one))[:MOST_NUMBERS]
    reasons: dict[str, int] = {}
    rows = []
    for record, setting, found in zip(records, settings, numbers, strict=True):
        speed = record.timing.samples_per_second
        rows.append(
            (
                *(str(setting.get(key, "")) for key in varied),
                *(number(found[name]) if name in found else "" for name in shown),
                f"{speed:.1f}" if speed else "",
                _status(record, reasons),
            )
        )
    labels = [" ".join(filter(None, row[: len(varied)])) for row in rows]
    notes = (*dict.fromkeys(p for record in records for p in protocols(record)), *_notes(records, labels))
    return Summary((*varied, *shown, "per second", "status"), tuple(rows), tuple(reasons), notes)


def _notes(records: Sequence[Record], labels: Sequence[str]) -> list[str]:
    """Gather the notes of all records; those that not every record has name the rows that they are of."""
    rows_of: dict[str, list[str]] = {}
    for record, label in zip(records, labels, strict=True):
        for note in dict.fromkeys(record.notes):
            rows_of.setdefault(note, []).append(label)
    return [note if len(rows) == len(records) else f"{_few(rows)}: {note}" for note, rows in rows_of.items()]


def _few(rows: Sequence[str]) -> str:
    named = ", ".join(rows[:MOST_ROWS])
    return named if len(rows) <= MOST_ROWS else f"{named} and {len(rows) - MOST_ROWS} more"


def protocols(record: Record) -> list[str]:
    """Say by which protocols the numbers of a record were made: of the data, and of each metric."""
    named = {"data": record.data, **record.metrics}
    return [f"{name} by protocol {part['protocol']}" for name, part in named.items() if "protocol" in part]


def markdown(found: Summary) -> str:
    """Write a summary as a Markdown table."""
    lines = [found.columns, ("---",) * len(found.columns), *found.rows]
    table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
    said = [f"({mark}) {reason}" for mark, reason in enumerate(found.reasons, 1)]
    return "\n\n".join([table, *said, *(f"Note: {note}" for note in found.notes)]) + "\n"


def headline(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Pick the plain numbers of all metrics, by 'metric.name'; counts stay in the record."""
    return {
        f"{metric}.{name}": value
        for metric, values in metrics.items()
        for name, value in values.items()
        if isinstance(value, float)
    }


def is_number(value: Any) -> bool:
    """Tell numbers from texts, tables and flags."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: float) -> str:
    """Write a number as short as it can be told apart."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.3g}" if 0 < abs(value) < 1e-3 else f"{value:.4f}"


def _status(record: Record, reasons: dict[str, int]) -> str:
    if record.status == "done":
        return "kept" if record.kept else "done"
    number = reasons.setdefault(record.reason or "?", len(reasons) + 1)
    return f"{record.status} ({number})"


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Write nested options as dotted keys; the name of a group stands for the group."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = above.rstrip(".") if key == "name" and above else f"{above}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _explained(key: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether an option differs only because another model, target or dataset has it so."""
    group = key.partition(".")[0]
    if group == key:
        return False
    values: dict[str, set[str]] = {}
    for setting in settings:
        values.setdefault(str(setting.get(group)), set()).add(str(setting.get(key)))
    return all(len(found) == 1 for found in values.values())
