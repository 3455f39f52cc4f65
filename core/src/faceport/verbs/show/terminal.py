"""Records as tables on a terminal; what is piped is neither wrapped nor cut, unless COLUMNS is set."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from faceport.engine.timing import DRAW, IN_ENGINE, PERCENTILES, SERVICE
from faceport.escapes import printable
from faceport.runs.chosen import NAME
from faceport.runs.folder import NAMED
from faceport.runs.record import FILE, Record, Timing
from faceport.verbs.show.numbers import interval_of, interval_text, is_number, meaning, number
from faceport.verbs.show.summary import NONE, Settings, summarise
from faceport.verbs.show.table import Cell, Column, Line, Row, lines, row
from faceport.verbs.show.text import accept_all, columns_are_set, wrap

ORDER = (DRAW, "decode", "preprocess", "network:", "postprocess", SERVICE, IN_ENGINE)  # how stages begin


def console(stderr: bool = False) -> Console:
    """Open a console that leaves the breaking of lines to us; NO_COLOR and the like are rich's to read."""
    stream = accept_all(sys.stderr if stderr else sys.stdout)
    return Console(file=stream, highlight=False, soft_wrap=True)


def width_of(out: Console) -> int | None:
    """Tell how many letters a line may have: of a terminal, or COLUMNS; None: as many as there are."""
    return out.width if out.is_terminal or columns_are_set() else None


def say(out: Console, text: str, style: str = "", indent: int = 0) -> None:
    """Print a sentence, broken at its blanks by a terminal; a path or a command in it stays whole."""
    for line in wrap(printable(text), width_of(out) if out.is_terminal else None, indent):
        out.print(Text(line, style), soft_wrap=True)


def show_table(out: Console, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Print a table."""
    for line in lines(columns, [*rows], width_of(out)):
        show_line(out, line)


def show_line(out: Console, line: Line) -> None:
    """Print a line of a table."""
    out.print(Text.assemble(*((piece.text, piece.style) for piece in line)), soft_wrap=True)


def show_run(record: Record) -> None:
    """Show the record of a run, a scoring or a merge."""
    out = console()
    config = record.config
    names = [f"{group}={config[group][NAME]}" for group in NAMED if config.get(group)]
    say(out, " ".join(names), "bold")
    if "protocol" in record.data:
        say(out, f"data: {record.data['protocol']}")
    if record.kept:
        say(out, "kept from an earlier run (fresh=true runs it again)")
    _show_metrics(out, record.metrics, lacking=record.status == "incomplete")
    if record.simulated:
        say(out, f"no times: {record.simulated} stood in for the hardware")
    else:
        _show_timing(out, record.timing)
    _show_networks(out, record)
    samples = record.samples
    if samples.resumed:
        say(out, f"{samples.resumed} of {samples.total} pictures were done before and kept")
    if samples.unreadable:
        say(out, f"{samples.unreadable} pictures could not be read:", "yellow")
        for why in list(samples.unreadable_named.values())[:5]:
            say(out, f"  {why}", indent=2)
    if record.status == "incomplete":
        say(out, f"incomplete: {record.reason}", "red")
    if record.status == "waiting":
        say(out, f"waiting: {record.reason}", "yellow")
        say(out, "the same command goes on once that is done")
    show_notes(record.notes)
    say(out, f"record: {record.folder}/{FILE}")


def _show_metrics(out: Console, metrics: Mapping[str, Mapping[str, Any]], lacking: bool) -> None:
    """Show each metric's numbers below its name and protocol, all in the same columns."""
    rows: list[Row] = []
    headings: dict[int, str] = {}
    for metric, values in metrics.items():
        numbers = {name: value for name, value in values.items() if is_number(value)}
        if numbers:
            protocol = f" ({values['protocol']})" if "protocol" in values else ""
            headings[len(rows)] = f"{metric}{protocol}{', INCOMPLETE: see below' if lacking else ''}"
        for name, value in numbers.items():
            sense = meaning(metric, name)
            better = f"{sense.better} is better" if sense.better else ""
            interval = interval_text(interval_of(values, name))
            rows.append(row(f"  {name}", number(value), interval, sense.unit, better))
    if not rows:
        return
    columns = [
        Column(least=16),
        Column("value", right=True),
        Column("95 % interval"),
        Column("unit"),
        Column(),
    ]
    filled = [at for at in range(len(columns)) if any(one[at].text for one in rows)]
    parts = [[one[at] for at in filled] for one in rows]
    written = lines([columns[at] for at in filled], parts, width_of(out))
    for at, line in enumerate(written, len(rows) - len(written)):  # negative: titles
        if at in headings:
            say(out, headings[at], indent=2)
        show_line(out, line)


def _show_timing(out: Console, timing: Timing) -> None:
    """Show how long each stage took, and what the times were measured under."""
    if not timing.samples:
        return
    names = sorted(timing.stages, key=_place)
    if names:
        titles = ("runs", "items", "mean ms", *(f"p{round(100 * share)}" for share in PERCENTILES))
        columns = [Column("stage", least=16), *(Column(title, right=True) for title in titles)]
        show_table(out, columns, [_stage(name, timing.stages[name]) for name in names])
        for sentence in _load(timing):
            say(out, sentence)
    speed = f", {timing.samples_per_second:.1f} per second" if timing.samples_per_second else ""
    say(out, f"{timing.samples} pictures in {timing.seconds:.2f} s{speed}")


def _place(stage: str) -> tuple[int, str]:
    return next((at for at, start in enumerate(ORDER) if stage.startswith(start)), len(ORDER)), stage


def _stage(name: str, values: Mapping[str, Any]) -> list[Cell]:
    keys = ("mean_ms", *(f"p{round(100 * share)}_ms" for share in PERCENTILES))
    times = (NONE if values.get(key) is None else f"{values[key]:.2f}" for key in keys)
    return row(name.replace("_", " "), str(values["count"]), str(values["items"]), *times)


def _load(timing: Timing) -> list[str]:
    """Say what the times of single pictures mean: a loaded engine has several at once."""
    loaded, sentences = timing.loaded, []
    if loaded:
        threads = loaded.get("threads")
        several = [
            f"{loaded.get('workers')} workers",
            f"{loaded.get('in_flight')} pictures in flight",
            f"batch {loaded.get('batch_size')}",
            "threads as the target finds best" if threads is None else f"threads {threads}",
        ]
        sentences.append(
            f"{IN_ENGINE.replace('_', ' ')}: waiting for other pictures included, in an engine with "
            f"{', '.join(several)}; {SERVICE.replace('_', ' ')}: a picture's own stages added up"
        )
    if DRAW in timing.stages:
        sentences.append("draw: done before the clock runs, and no part of the other times and of the speed")
    if loaded.get("warm_up"):
        sentences.append(f"not timed, for they warm it up: the first {loaded['warm_up']}")
    few = [
        f"p{round(100 * share)} {least}"
        for share, least in PERCENTILES.items()
        if any(stage.get(f"p{round(100 * share)}_ms") is None for stage in timing.stages.values())
    ]
    if few:
        sentences.append(f"{NONE}: too few runs for a percentile (it needs: {', '.join(few)})")
    return sentences


def _show_networks(out: Console, record: Record) -> None:
    for name, artifact in record.artifacts.items():
        ran = artifact["runs_as"]
        how = ", ".join(f"{ran[key]}" for key in ("runtime", "version", "device", "precision") if key in ran)
        size = f", {artifact['bytes'] / 1e6:.1f} MB" if "bytes" in artifact else ""
        times = record.times_as_fast_as_fp32.get(name)
        speed = f", {times:.2f} times as fast as fp32" if times else ""
        say(out, f"{name}: {how}{size}{speed}; {parity_line(record.parity.get(name, {}))}", indent=2)


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
    out = console()
    for note in notes:
        say(out, f"note: {note}", "yellow", indent=2)


def show_pictures(
    pictures: int, folder: Path, unreadable: Mapping[str, str], notes: Sequence[str], summary: str = ""
) -> int:
    """Say what became of pictures that were written; give the exit code."""
    errors = console(stderr=True)
    for why in unreadable.values():
        say(errors, f"not read: {why}", indent=2)
    show_notes(notes)
    say(console(), f"{summary or f'{pictures} pictures'}: {folder}")
    return 1 if unreadable and not pictures else 0


def show_sweep(records: Sequence[Record], given: Sequence[Settings] = ()) -> None:
    """Show a table of all jobs of a sweep: what differs between them, and what came out."""
    out = console()
    summary = summarise(records, given)
    show_table(out, summary.columns, summary.rows)
    if summary.legend:
        say(out, "; ".join(summary.legend))
    for mark, reason in enumerate(summary.reasons, 1):
        say(out, f"({mark}) {reason}", "red", indent=4)
    show_notes(summary.notes)
