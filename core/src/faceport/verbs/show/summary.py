"""Many records as one table: what differs between them, what came out, and what is no difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faceport.escapes import in_markdown
from faceport.runs.chosen import NAME
from faceport.runs.record import Record
from faceport.verbs.show.numbers import ARROWS, headline, interval_of, meaning, with_interval
from faceport.verbs.show.quantities import means_nothing
from faceport.verbs.show.table import Cell, Column
from faceport.verbs.show.text import listed

MOST_ROWS = 3  # named by a note
NONE = "–"  # where there is no number
SAME = "≈"
LACKING = "!"
NOTHING = "?"
LEGEND = {
    "↑": "higher is better",
    "↓": "lower is better",
    "±": "half of the 95 % interval",
    LACKING: "of an incomplete run",
    NOTHING: "of random weights: it means nothing",
    SAME: "inside the 95 % interval of the best of the column, or the best inside its own",
}
STYLES = {"failed": "red", "incomplete": "red", "waiting": "yellow"}
Settings = Mapping[str, Any]  # dotted keys


@dataclass(frozen=True)
class Summary:
    """Columns and rows of a sweep: what differs, the status of each record, what came out."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    reasons: tuple[str, ...]  # of failures; the status names them by number, from 1
    notes: tuple[str, ...]

    @property
    def legend(self) -> tuple[str, ...]:
        """Explain the signs that the table has."""
        cells = [cell.text for row in self.rows for cell in row]
        written = "".join([*(column.title for column in self.columns), *cells])
        return tuple(f"{sign} {what}" for sign, what in LEGEND.items() if sign in written)


def summarise(records: Sequence[Record], given: Sequence[Settings] = ()) -> Summary:
    """Make the table of a sweep; `given` is what a record does not know of itself, such as its experiment."""
    known = given or [{}] * len(records)
    settings = [{**more, **_flat(one.config)} for one, more in zip(records, known, strict=True)]
    varied = _varied(settings)
    shown = list(
        dict.fromkeys(
            (metric, name)
            for record in records
            for metric, values in record.metrics.items()
            for name in headline(metric, values)
        )
    )
    columns = [
        *(Column(title, key=True, least=12) for title in _short(varied)),
        Column("status"),
        *(Column(_title(metric, name), metric) for metric, name in shown),
        *(Column(title, right=True) for title in ("per second↑", "times fp32↑", "MB↓")),
    ]
    numbers = [_numbers(records, metric, name) for metric, name in shown]
    reasons: dict[str, int] = {}
    rows = [
        (
            *(Cell(_text(setting.get(key, ""))) for key in varied),
            _status(record, reasons),
            *(column[at] for column in numbers),
            *map(Cell, _costs(record)),
        )
        for at, (record, setting) in enumerate(zip(records, settings, strict=True))
    ]
    labels = [" ".join(filter(None, (cell.text for cell in row[: len(varied)]))) for row in rows]
    return Summary(tuple(columns), tuple(rows), tuple(reasons), tuple(_notes(records, labels)))


def _varied(settings: Sequence[Settings]) -> list[str]:
    """List the settings that tell the records apart; those of metrics only where nothing else does."""
    keys = dict.fromkeys(key for setting in settings for key in setting)
    differing = [key for key in keys if len({_text(setting.get(key, "")) for setting in settings}) > 1]
    telling = [key for key in differing if not _explained(key, settings)]
    own = [key for key in telling if not key.startswith("metric.")]
    apart = {tuple(_text(setting.get(key, "")) for key in own) for setting in settings}
    return own if len(apart) == len(settings) else telling


def _short(keys: Sequence[str]) -> list[str]:
    """Call options by their last name, where that says which is meant."""
    last = Counter(key.rpartition(".")[2] for key in keys)
    return [key.rpartition(".")[2] if last[key.rpartition(".")[2]] == 1 else key for key in keys]


def _title(metric: str, name: str) -> str:
    sense = meaning(metric, name)
    unit = f" {sense.unit}" if sense.unit and not name.endswith(f"_{sense.unit.lower()}") else ""
    return f"{name.replace('_', ' ')}{unit}{ARROWS[sense.better]}"


def _numbers(records: Sequence[Record], metric: str, name: str) -> list[Cell]:
    """Write a column: bold is what is better than all others that it may be compared with, beyond chance."""
    values = [record.metrics.get(metric, {}) for record in records]
    sign = {"higher": 1, "lower": -1}.get(meaning(metric, name).better, 0)
    cells = []
    for record, own in zip(records, values, strict=True):
        value = own.get(name)
        if not isinstance(value, float):
            cells.append(Cell(NONE if record.metrics else ""))
            continue
        text, style = with_interval(value, interval_of(own, name)), ""
        if record.status == "incomplete" or means_nothing(record, metric):
            cells.append(Cell(f"{text} {LACKING if record.status == 'incomplete' else NOTHING}"))
            continue
        others = [
            other
            for rival, other in zip(records, values, strict=True)
            if isinstance(other.get(name), float) and _comparable(record, rival, metric)
        ]
        if sign and len(others) > 1:
            best = max(others, key=lambda other: sign * other[name])
            worse = [other for other in others if other[name] != best[name]]
            if value == best[name]:
                style = "bold" if worse and all(_apart(own, other, name) for other in worse) else ""
            elif _apart(own, best, name) is False:
                text += f" {SAME}"
        cells.append(Cell(text, style))
    return cells


def _apart(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool | None:
    """Tell whether two numbers differ by more than chance: no interval of either holds the other's number.

    None: nobody knows, for nobody computed intervals.
    """
    pairs = ((interval_of(one, name), other[name]), (interval_of(other, name), one[name]))
    known = [(interval, value) for interval, value in pairs if interval]
    return not any(low <= value <= high for (low, high), value in known) if known else None


def _comparable(one: Record, other: Record, metric: str) -> bool:
    """Tell whether two records have a number of the same pictures, all of them, by the same protocol."""
    if "incomplete" in (one.status, other.status) or means_nothing(other, metric):
        return False
    same_data = all(one.config.get(key) == other.config.get(key) for key in ("dataset", "limit", "part"))
    protocol = [record.metrics.get(metric, {}).get("protocol") for record in (one, other)]
    return same_data and protocol[0] == protocol[1]


def _costs(record: Record) -> tuple[str, str, str]:
    """Write pictures per second, how many times as fast as fp32 the networks are, and their size."""
    speed = None if record.simulated else record.timing.samples_per_second
    times = sorted(record.times_as_fast_as_fp32.values())
    sizes = [artifact["bytes"] for artifact in record.artifacts.values() if "bytes" in artifact]
    ratio = f"{times[0]:.2f}" if times else NONE
    if len(times) > 1:
        ratio = f"{times[0]:.2f} to {times[-1]:.2f}"
    if record.status == "failed":
        return "", "", ""
    return f"{speed:.1f}" if speed else NONE, ratio, f"{sum(sizes) / 1e6:.1f}" if sizes else NONE


def _notes(records: Sequence[Record], labels: Sequence[str]) -> list[str]:
    """Gather protocols and notes; those that not every record has name the rows that they are of.

    A failed record has no protocol and need not have any.
    """
    rows_of: dict[str, list[str]] = {}
    for record, label in zip(records, labels, strict=True):
        for note in dict.fromkeys([*protocols(record), *record.notes]):
            rows_of.setdefault(note, []).append(label)
    every = sum(record.status != "failed" for record in records)
    return [
        note if len(rows) >= every else f"{listed(rows, MOST_ROWS)}: {note}" for note, rows in rows_of.items()
    ]


def protocols(record: Record) -> list[str]:
    """Say by which protocols the numbers of a record were made: of the data, and of each metric."""
    named = {"data": record.data, **record.metrics}
    return [f"{name} by protocol {part['protocol']}" for name, part in named.items() if "protocol" in part]


def markdown(summary: Summary) -> str:
    """Write a summary as a Markdown table."""
    titles = [" ".join(filter(None, (column.above, column.title))) for column in summary.columns]
    rows = [
        [f"**{in_markdown(cell.text)}**" if cell.style == "bold" else in_markdown(cell.text) for cell in row]
        for row in summary.rows
    ]
    lines = [map(in_markdown, titles), ["---"] * len(titles), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    failures = [in_markdown(f"({mark}) {reason}") for mark, reason in enumerate(summary.reasons, 1)]
    legend = [", ".join(summary.legend)] if summary.legend else []
    notes = [f"Note: {in_markdown(note)}" for note in summary.notes]
    return "\n\n".join([table, *legend, *failures, *notes]) + "\n"


def _status(record: Record, reasons: dict[str, int]) -> Cell:
    if record.status == "done":
        return Cell("kept" if record.kept else "done", "green")
    mark = reasons.setdefault(record.reason or "?", len(reasons) + 1)
    return Cell(f"{record.status} ({mark})", STYLES.get(record.status, ""))


def _text(value: Any) -> str:
    """Write a setting as it is typed."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Write nested options as dotted keys; the name of a group stands for the group, and those of metrics."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = above.rstrip(".") if key == NAME and above else f"{above}{key}"
        if name == "metric" and value:
            flat["metric"] = ",".join(value)
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _explained(key: str, settings: Sequence[Settings]) -> bool:
    """Tell whether an option differs only because another model, target or dataset has it so."""
    group = key.partition(".")[0]
    if group == key:
        return False
    values: dict[str, set[str]] = {}
    for setting in settings:
        values.setdefault(str(setting.get(group)), set()).add(str(setting.get(key)))
    return all(len(found) == 1 for found in values.values())
