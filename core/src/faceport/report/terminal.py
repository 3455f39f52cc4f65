"""Records as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def console(stderr: bool = False) -> Console:
    """Open a console that neither wraps nor cuts what is piped into a file."""
    found = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not found.is_terminal:
        found = Console(stderr=stderr, highlight=False, soft_wrap=True, width=200)
    return found


def show_run(record: Mapping[str, Any]) -> None:
    """Show the record of a run or of a scoring."""
    out = console()
    config = record["config"]
    names = [f"{kind}={config[kind]['name']}" for kind in _GROUPS if config.get(kind)]
    out.print(Text(" ".join(names), style="bold"))
    if record.get("kept"):
        out.print("kept from an earlier run (fresh=true runs it again)")
    _show_metrics(out, record.get("metrics", {}))
    _show_timing(out, record.get("timing", {}))
    _show_networks(out, record)
    samples = record.get("samples", {})
    if samples.get("resumed"):
        out.print(f"{samples['resumed']} of {samples['total']} pictures were done before and kept")
    if samples.get("unreadable"):
        out.print(f"[yellow]{samples['unreadable']} pictures could not be read:[/]")
        for why in list(samples["unreadable_named"].values())[:5]:
            out.print(Text(f"  {why}"))
    show_notes(record.get("notes", ()))
    out.print(f"record: {record['folder']}/record.json")


_GROUPS = ("model", "detector", "target", "dataset")


def headline(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Pick the plain numbers of all metrics, by 'metric.name'."""
    return {
        f"{metric}.{name}": value
        for metric, values in metrics.items()
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _show_metrics(out: Console, metrics: Mapping[str, Any]) -> None:
    if not metrics:
        return
    table = Table("metric", "", "value", box=None, pad_edge=False)
    for metric, values in metrics.items():
        label = f"{metric} ({values['protocol']})" if "protocol" in values else metric
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                table.add_row(label, name, number(value))
                label = ""
    out.print(table)


def _show_timing(out: Console, timing: Mapping[str, Any]) -> None:
    if not timing.get("samples"):
        return
    table = Table("stage", "runs", "items", "mean ms", "p50", "p99", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for stage, values in timing["stages"].items():
        times = (f"{values[key]:.2f}" for key in ("mean_ms", "p50_ms", "p99_ms"))
        table.add_row(stage, str(values["count"]), str(values["items"]), *times)
    out.print(table)
    speed = timing["samples_per_second"]
    out.print(f"{timing['samples']} pictures in {timing['seconds']:.2f} s, {speed:.1f} per second")


def _show_networks(out: Console, record: Mapping[str, Any]) -> None:
    for name, artifact in record.get("artifacts", {}).items():
        ran = artifact["runs_as"]
        how = ", ".join(f"{ran[key]}" for key in ("runtime", "version", "device", "precision") if key in ran)
        parity = record.get("parity", {}).get(name, {})
        out.print(Text(f"{name}: {how}; {parity_line(parity)}"))


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


def show_sweep(records: Sequence[Mapping[str, Any]]) -> None:
    """Show a table of all jobs of a sweep: what differs between them, and what came out."""
    out = console()
    settings = [_flat(record.get("config", {})) for record in records]
    keys = sorted({key for setting in settings for key in setting})
    varied = [key for key in keys if len({str(setting.get(key)) for setting in settings}) > 1]
    varied = _without_companions(varied, settings)
    numbers = [headline(record.get("metrics", {})) for record in records]
    shown = list(dict.fromkeys(name for one in numbers for name in one))[:6]
    table = Table(*varied, *shown, "per second", "status", box=None, pad_edge=False)
    reasons: dict[str, int] = {}
    for record, setting, found in zip(records, settings, numbers, strict=True):
        speed = (record.get("timing") or {}).get("samples_per_second")
        table.add_row(
            *(str(setting.get(key, "")) for key in varied),
            *(number(found[name]) if name in found else "" for name in shown),
            f"{speed:.1f}" if speed else "",
            _status(record, reasons),
        )
    out.print(table)
    for reason, mark in reasons.items():
        out.print(Text(f"({mark}) {reason}", style="red"))
    for note in dict.fromkeys(note for record in records for note in record.get("notes", ())):
        out.print(Text(f"note: {note}", style="yellow"))


def _status(record: Mapping[str, Any], reasons: dict[str, int]) -> Text:
    if record.get("status") == "done":
        return Text("kept" if record.get("kept") else "done", style="green")
    mark = reasons.setdefault(str(record.get("reason", "?")), len(reasons) + 1)
    return Text(f"failed ({mark})", style="red")


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Write nested options as dotted keys; the name of a group stands for the group."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = above.rstrip(".") if key == "name" and above else f"{above}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _without_companions(keys: list[str], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Leave out options that differ only because another model, target or dataset has them."""

    def explained(key: str) -> bool:
        group = key.partition(".")[0]
        if group == key:
            return False
        values: dict[str, set[str]] = {}
        for setting in settings:
            values.setdefault(str(setting.get(group)), set()).add(str(setting.get(key)))
        return all(len(found) == 1 for found in values.values())

    return [key for key in keys if not explained(key)]


def number(value: float) -> str:
    """Write a number as short as it can be told apart."""
    return str(value) if isinstance(value, int) else f"{value:.6g}" if abs(value) < 1e-3 else f"{value:.4f}"
