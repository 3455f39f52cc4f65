"""Benchmarks on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from faceport.runs.published import published_of
from faceport.runs.record import Record
from faceport.verbs.show.numbers import is_number, large
from faceport.verbs.show.quantities import means_nothing
from faceport.verbs.show.table import Column, Row, row
from faceport.verbs.show.terminal import console, say, show_run, show_sweep, show_table
from faceport_bench.subjects import labels

NONE = "–"


def show(records: Sequence[Record], baseline: str) -> int:
    """Show one record in full, several as a table; exit code 1 where one is INVALID."""
    if len(records) == 1:
        show_run(records[0])
    else:
        show_sweep(records)
        say(console(), f"times baseline: as fast as {baseline}, of pairs of turns side by side")
    names = labels([record.config for record in records])
    _show_alone(records, names)
    _show_published(records, names)
    out = console()
    for record, name in zip(records, names, strict=True):
        if len(records) > 1:
            say(out, f"{name}: {record.folder}", indent=2)
    return 1 if any(record.status != "done" for record in records) else 0


def _show_alone(records: Sequence[Record], names: Sequence[str]) -> None:
    """Show the networks alone: how long, how much work, which share of the machine."""
    rows = []
    alone = [record.metrics.get("alone", {}).get("networks") or {} for record in records]
    single = len(records) > 1 and all(len(networks) <= 1 for networks in alone)  # the names say enough
    for networks, name in zip(alone, names, strict=True):
        for network, one in networks.items():
            rows.append(
                row(
                    name if single else " ".join(filter(None, (name if len(records) > 1 else "", network))),
                    str(one.get("rows", NONE)),
                    *(_number(one.get(key)) for key in ("p50_ms", "p99_ms")),
                    _number(one.get("per_second", one.get("rate_per_second"))),
                    _number(one.get("gmacs_per_second")),
                    _share(one.get("share_of_peak")),
                    f"{_share(one.get('share_of_roof'))} ({one['bound']})" if "bound" in one else NONE,
                    "INVALID" if "invalid" in one else "",
                )
            )
    if not rows:
        return
    out = console()
    say(out, "networks alone", "bold")
    titles = ("rows", "p50 ms", "p99 ms", "rows/s", "GMAC/s", "of peak", "of roof", "")
    columns = [Column("network", least=16, key=True), *(Column(title, right=True) for title in titles)]
    filled = [at for at in range(len(columns)) if at < len(columns) - 1 or any(one[at].text for one in rows)]
    show_table(out, [columns[at] for at in filled], [[one[at] for at in filled] for one in rows])
    works = (record.metrics.get("work", {}) for record in records)
    work = next((one for one in works if "peak_gmacs_per_second" in one), None)
    if work:
        say(
            out,
            f"peak of this machine, measured in the same call: {work['peak_gmacs_per_second']:.4g} GMAC/s in "
            f"float32, {work['peak_gb_per_second']:.4g} GB/s; the roof is what these two allow that network",
        )


def _show_published(records: Sequence[Record], names: Sequence[str]) -> None:
    """Show what was published beside what was measured; nothing is counted as ours."""
    groups: dict[str, list[Row]] = {}
    notes = []
    for record, name in zip(records, names, strict=True):
        for published in published_of(record.config):
            rows = groups.setdefault(", ".join(filter(None, (name, published.where))), [])
            for key, one in published.numbers.items():
                own = measured(record.metrics, key)
                if means_nothing(record, key.partition(".")[0]):
                    own, verdict = None, "weights are random"
                else:
                    verdict = one.verdict(own)
                rows.append(row(key, one.text, _number(own), verdict))
            notes += [f"published: {published.source}", published.note]
    if not groups:
        return
    out = console()
    say(out, "published beside measured", "bold")
    # Tables below each other that are one to the eye: as wide columns, and their titles once.
    widest = max(len(one[0].text) for rows in groups.values() for one in rows)
    for at, (name, rows) in enumerate(groups.items()):
        titles = ("",) * 4 if at else ("", "published", "here", "")
        columns = [
            Column(title, right=right)
            for title, right in zip(titles, (False, True, True, False), strict=True)
        ]
        say(out, name)
        padded = [
            [one[0].text.ljust(widest), *(one[at].text.rjust(10) for at in (1, 2)), one[3].text]
            for one in rows
        ]
        show_table(out, columns, [row(*texts) for texts in padded])
    for note in dict.fromkeys(filter(None, notes)):
        say(out, note, indent=2)


def measured(metrics: Mapping[str, Any], key: str) -> float | None:
    """Find a number of a record by METRIC.NUMBER."""
    metric, _, name = key.partition(".")
    value = (metrics.get(metric) or {}).get(name)
    return float(value) if value is not None and is_number(value) else None


def _number(value: Any) -> str:
    return large(float(value)) if is_number(value) else NONE


def _share(value: Any) -> str:
    return f"{value:.1%}" if is_number(value) else NONE
