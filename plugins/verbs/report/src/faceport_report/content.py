"""What the page holds, as plain data: rows, and texts that many rows share in pools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from faceport.engine.timing import IN_ENGINE, SERVICE, SHORTEST, STEP
from faceport.escapes import printable
from faceport.runs.record import Record, Timing
from faceport.runs.records import Run
from faceport.verbs.show.quantities import is_accuracy, known_keys, means_nothing, numbers_of, title
from faceport_report.comparable import bests
from faceport_report.curves import Curve
from faceport_report.decide import Decision
from faceport_report.repeating import command
from faceport_report.settings import flat, labels, varied

SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)  # of the curve of latencies
FEWEST = 5  # durations beyond a percentile that is shown
MOST_NOTES = 400  # letters


class Pool:
    """Texts that many rows share, each held once."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        """Give the place of a text."""
        if text not in self._places:
            self._places[text] = len(self.items)
            self.items.append(text)
        return self._places[text]


def content(runs: Sequence[Run], decision: Decision, drawn: Mapping[int, Sequence[Curve]]) -> dict[str, Any]:
    """Gather what the script of the page needs."""
    settings = [flat(run.record.config) for run in runs]
    tables = [numbers_of(run.record) for run in runs]
    known, apart, names, pool = known_keys(tables), varied(settings), labels(settings), Pool()
    best = {key: bests(runs, tables, key) for key in known}
    rows = []
    for at, run in enumerate(runs):
        record = run.record
        rows.append(
            {
                "label": clean(names[at]),
                "status": record.status,
                "reason": clean(record.reason, MOST_NOTES),
                "group": pool.place(data_of(record)),
                "settings": [clean(settings[at].get(key, "")) for key in apart],
                "numbers": {
                    key: [short(one.value), *(map(short, one.interval) if one.interval else ())]
                    for key, one in tables[at].items()
                },
                "best": [key for key in known if at in best[key]],
                "void": [key for key in tables[at] if means_nothing(record, key.partition(".")[0])],
                "stages": {clean(name): short(value) for name, value in stages(record).items()},
                "latency": percentiles(record),
                "notes": [pool.place(clean(note, MOST_NOTES)) for note in record.notes],
                "facts": facts(run, pool),
                "command": pool.place(clean(command(record.config, record.verb), 2000)),
            }
        )
    return {
        "settings": [clean(key) for key in apart],
        "numbers": {
            clean(key): {
                "title": clean(title(key, one)),
                "sign": one.sign,
                "unit": clean(one.unit),
                "head": one.head,
                "accuracy": is_accuracy(key, one),
            }
            for key, one in known.items()
        },
        "best": decision.best,
        "winner": decision.winner,
        "rows": rows,
        "pool": pool.items,
        "shares": SHARES,
        "curves": [
            {
                "row": at,
                "kind": one.kind,
                "name": clean(one.name),
                "x": one.x,
                "y": one.y,
                "titles": [one.x_title, one.y_title],
                "log": one.log,
            }
            for at, curves in drawn.items()
            for one in curves
        ],
    }


def clean(text: object, most: int = 300) -> str:
    """Spell out what is no text, and bound its length."""
    return printable(text, most)


def short(value: float) -> float | None:
    """Keep as many digits as a table shows."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def data_of(record: Record) -> str:
    """Say which data a record is of, so that rows of the same data are compared and no others."""
    chosen = flat({key: record.config[key] for key in ("dataset", "limit", "part") if key in record.config})
    said = [f"{key}={value}" for key, value in chosen.items() if value != "null"]
    return clean(" ".join([*said, *(f"{key}: {value}" for key, value in record.data.items())]), 600)


def stages(record: Record) -> dict[str, float]:
    """Give the mean milliseconds of each stage for one picture."""
    timed = Timing() if record.simulated else record.timing
    return {
        name: 1e3 * stage["total_s"] / timed_pictures(record)
        for name, stage in timed.stages.items()
        if name not in (SERVICE, IN_ENGINE)
    }


def timed_pictures(record: Record) -> int:
    """Count the pictures whose stages were timed: those that warmed up were not."""
    counted = (record.timing.stages.get(SERVICE) or {}).get("items")
    return int(counted or max(record.timing.samples, 1))


def percentiles(record: Record) -> list[float | None]:
    """Give the milliseconds of a picture at each share; None where too few lie beyond it."""
    stage = {} if record.simulated else record.timing.stages.get(SERVICE) or {}
    buckets = sorted((int(at), int(count)) for at, count in (stage.get("buckets") or {}).items())
    total = sum(count for _, count in buckets)
    found: list[float | None] = []
    for share in SHARES:
        if total * min(share, 1 - share) < FEWEST:
            found.append(None)
            continue
        reached = accumulate(count for _, count in buckets)
        at = next(at for (at, _), so_far in zip(buckets, reached, strict=True) if so_far >= share * total)
        found.append(short(1e3 * SHORTEST * math.exp((at + 0.5) * STEP)))
    return found


def facts(run: Run, pool: Pool) -> list[list[Any]]:
    """Say where the numbers of a row come from: pairs of what, and the place of the text in the pool."""
    record = run.record
    said = {
        "record": str(run.path),
        "written": f"{record.written} by faceport {record.faceport}",
        "machine": _listed(record.host),
        "versions": _listed(record.versions),
        "data": data_of(record),
        "pictures": f"{record.samples.predicted} of {record.samples.total}",
    }
    said |= {f"weights of {name}": _listed(one) for name, one in record.weights.items()}
    said |= {
        f"network {name}": _listed({"artifact": one.get("key", "")} | dict(one.get("runs_as") or {}))
        for name, one in record.artifacts.items()
    }
    protocols = {name: one["protocol"] for name, one in record.metrics.items() if "protocol" in one}
    said |= {f"protocol of {name}": str(text) for name, text in protocols.items()}
    return [[clean(what), pool.place(clean(text, 900))] for what, text in said.items() if text]


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value not in (None, "", {}))
