"""Records as tables on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from faceport.runs.chosen import NAME
from faceport.runs.folder import NAMED
from faceport.runs.record import FILE, Record, Timing
from faceport.verbs.show.summary import is_number, number, summarise

STYLES = {"failed": "red", "incomplete": "red", "waiting": "yellow"}


def console(stderr: bool = False) -> Console:
    """Open a console that neither wraps nor cuts what is piped into a file."""
    found = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not found.is_terminal:
        found = Console(stderr=stderr, highlight=False, soft_wrap=True, width=200)
    return found


def show_run(record: Record) -> None:
    """Show the record of a run, a scoring or a merge."""
    out = console()
    config = record.config
    names = [f"{group}={config[group][NAME]}" for group in NAMED if config.get(group)]
    out.print(Text(" ".join(names), style="bold"))
    if "protocol" in record.data:
        out.print(Text(f"data: {record.data['protocol']}"))
    if record.kept:
        out.print("kept from an earlier run (fresh=true runs it again)")
    _show_metrics(out, record.metrics)
    _show_timing(out, record.timing)
    _show_networks(out, record)
    samples = record.samples
    if samples.resumed:
        out.print(f"{samples.resumed} of {samples.total} pictures were done before and kept")
    if samples.unreadable:
        out.print(f"[yellow]{samples.unreadable} pictures could not be read:[/]")
        for why in list(samples.unreadable_named.values())[:5]:
            out.print(Text(f"  {why}"))
    if record.status == "incomplete":
        out.print(Text(f"incomplete: {record.reason}", style="red"))
    if record.status == "waiting":
        out.print(Text(f"waiting: {record.reason}", style="yellow"))
        out.print("the same command goes on once that is done")
    show_notes(record.notes)
    out.print(f"record: {record.folder}/{FILE}")


def _show_metrics(out: Console, metrics: Mapping[str, Any]) -> None:
    if not metrics:
        return
    table = Table("metric", "", "value", box=None, pad_edge=False)
    for metric, values in metrics.items():
        label = f"{metric} ({values['protocol']})" if "protocol" in values else metric
        for name, value in values.items():
            if is_number(value):
                table.add_row(label, name, number(value))
                label = ""
    out.print(table)


def _show_timing(out: Console, timing: Timing) -> None:
    if not timing.samples:
        return
    table = Table("stage", "runs", "items", "mean ms", "p50", "p99", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for stage, values in timing.stages.items():
        times = (f"{values[key]:.2f}" for key in ("mean_ms", "p50_ms", "p99_ms"))
        table.add_row(stage, str(values["count"]), str(values["items"]), *times)
    out.print(table)
    speed = f", {timing.samples_per_second:.1f} per second" if timing.samples_per_second else ""
    out.print(f"{timing.samples} pictures in {timing.seconds:.2f} s{speed}")


def _show_networks(out: Console, record: Record) -> None:
    for name, artifact in record.artifacts.items():
        ran = artifact["runs_as"]
        how = ", ".join(f"{ran[key]}" for key in ("runtime", "version", "device", "precision") if key in ran)
        times = record.times_as_fast_as_fp32.get(name)
        speed = f", {times:.2f} times as fast as fp32" if times else ""
        out.print(Text(f"{name}: {how}{speed}; {parity_line(record.parity.get(name, {}))}"))


def parity_line(parity: Mapping[str, Any]) -> str:
    """Say in one line how far a network is from its reference."""
    if "skipped" in parity:
        return f"parity not checked: {parity['skipped']}"
    if not parity.get("outputs"):
        return "parity not checked"
    outputs = parity["outputs"].values()
    error, snr = max(o["max_rel"] for o in outputs), min(o["snr_db"] for o in outputs)
    return f"parity with fp32 reference: largest error {error:.1e} of the spread, SNR {snr:.0f} dB"


def show_notes(notes: Sequence[str]) -> None:
    """Show what must be said beside the numbers."""
    for note in notes:
        console().print(Text(f"note: {note}", style="yellow"))


def show_pictures(pictures: int, folder: Path, unreadable: Mapping[str, str], notes: Sequence[str]) -> int:
    """Say what became of pictures that were written; give the exit code."""
    for why in unreadable.values():
        print(f"not read: {why}", file=sys.stderr)
    show_notes(notes)
    print(f"{pictures} pictures: {folder}")
    return 1 if unreadable and not pictures else 0


def show_sweep(records: Sequence[Record]) -> None:
    """Show a table of all jobs of a sweep: what differs between them, and what came out."""
    out = console()
    found = summarise(records)
    table = Table(*found.columns, box=None, pad_edge=False)
    for row in found.rows:
        *cells, status = row
        table.add_row(*cells, Text(status, style=STYLES.get(status.partition(" ")[0], "green")))
    out.print(table)
    for mark, reason in enumerate(found.reasons, 1):
        out.print(Text(f"({mark}) {reason}", style="red"))
    show_notes(found.notes)
