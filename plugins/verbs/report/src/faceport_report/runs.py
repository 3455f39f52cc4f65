"""The runs below a folder as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceport.api import Verb
from faceport.runs.records import Run, gather
from faceport.verbs.show.numbers import with_interval
from faceport.verbs.show.quantities import Number, known_keys, means_nothing, numbers_of, resolve, title
from faceport.verbs.show.summary import LACKING, NOTHING
from faceport.verbs.show.table import Cell, Column, lines
from faceport.verbs.show.terminal import console, say, show_line, width_of
from faceport_report.comparable import bests
from faceport_report.fit import LEAST, fitting
from faceport_report.nodes import apart
from faceport_report.settings import flat, varied

NONE = "–"
BEST = "*"
LEGEND = {
    BEST: f"{BEST} best of its data and protocol",
    LACKING: f"{LACKING} of an unfinished run",
    NOTHING: f"{NOTHING} of random weights: it means nothing",
}


@dataclass(frozen=True)
class RunsOptions:
    """Options of the verb; conf/verb/runs.yaml explains them."""

    filters: list[str] = field(default_factory=list)
    sort: str | None = None
    columns: list[str] = field(default_factory=list)
    folder: str = "runs"


@dataclass(frozen=True)
class Table:
    """Runs beside each other."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    runs: tuple[Run, ...]
    refused: tuple[str, ...]


class Runs(Verb):
    """List the runs below a folder."""

    Options = RunsOptions
    options: RunsOptions

    def act(self, config: Mapping[str, Any]) -> Table:
        """Read the records and put those that fit the filter into order."""
        places = [word for word in self.options.filters if Path(word).exists()]
        words = [word for word in self.options.filters if word not in places]
        gathered = gather(places or [self.options.folder])
        runs = [run for run in apart(gathered.runs)[0] if fits(run, words)]
        runs = ordered(runs, self.options.sort)
        columns, rows = tabulate(runs, self.options.columns, self.options.sort)
        return Table(tuple(columns), tuple(map(tuple, rows)), tuple(runs), gathered.refused)

    def show(self, outcome: Table) -> int:
        """Print as many columns as fit, and name the others."""
        out = console()
        width = width_of(out)
        kept = fitting(outcome.columns, outcome.rows, width)
        columns = [outcome.columns[at] for at in kept]
        for line in lines(columns, [[row[at] for at in kept] for row in outcome.rows], width):
            show_line(out, line)
        signs = {row[at].text[-1:] for row in outcome.rows for at in kept} & {*LEGEND}
        if signs:
            said = [text for sign, text in LEGEND.items() if sign in signs]
            say(out, "; ".join([*said, "↑ higher, ↓ lower is better"]))
        hidden = [
            f"{one.above} {one.title}".strip() for at, one in enumerate(outcome.columns) if at not in kept
        ]
        if hidden:
            say(out, f"not shown for want of room: {', '.join(hidden)} (columns=[METRIC.NUMBER,...] chooses)")
        if not outcome.runs:
            say(out, "no run fits")
        for reason in outcome.refused:
            say(out, f"left out: {reason}", "yellow", indent=2)
        return 1 if outcome.refused and not outcome.runs else 0


def fits(run: Run, words: list[str]) -> bool:
    """Tell whether each word stands in an option of the run, written as key=value, or in its status."""
    text = [f"{key}={value}" for key, value in flat(run.record.config).items()] + [run.record.status]
    return all(any(word in item for item in text) for word in words)


def ordered(runs: list[Run], key: str | None) -> list[Run]:
    """Sort by a number or an option; '-' in front turns the order round; what lacks it comes last."""
    if not key or not runs:
        return runs
    name, turn = key.removeprefix("-"), -1 if key.startswith("-") else 1
    settings = [flat(run.record.config) for run in runs]
    options = {option for one in settings for option in one}
    tables = [numbers_of(run.record) for run in runs]
    positions = [*range(len(runs))]
    if name in options:
        positions.sort(key=lambda at: settings[at].get(name, ""), reverse=turn < 0)
    else:
        name = resolve(name, known_keys(tables) | dict.fromkeys(options, Number(0)), "sort")
        missing = Number(float("inf"))
        positions.sort(key=lambda at: turn * tables[at][name].value if name in tables[at] else missing.value)
    return [runs[at] for at in positions]


def tabulate(
    runs: list[Run], wanted: list[str], sort: str | None = None
) -> tuple[list[Column], list[list[Cell]]]:
    """Make columns of what tells runs apart, their status and their numbers, the one sorted by first."""
    settings = [flat(run.record.config) for run in runs]
    tables = [numbers_of(run.record) for run in runs]
    known = known_keys(tables)
    keys = [resolve(key, known, "columns") for key in wanted] or [key for key in known if known[key].head]
    first = (sort or "").removeprefix("-")
    if first in known:
        keys = [first, *(key for key in keys if key != first)]
    apart = varied(settings) if runs else ["model", "target"]
    columns = [
        *(Column(key.rpartition(".")[2], least=LEAST, key=True) for key in apart),
        Column("status"),
        *(Column(title(key, known[key]), key.partition(".")[0], right=True) for key in keys),
    ]
    best = {key: bests(runs, tables, key) for key in keys}
    rows = [
        [
            *(Cell(settings[at].get(key, "")) for key in apart),
            Cell(run.record.status, "green" if run.scored else "red"),
            *(number_cell(tables[at].get(key), _mark(run, key, at in best[key])) for key in keys),
        ]
        for at, run in enumerate(runs)
    ]
    return columns, rows


def _mark(run: Run, key: str, best: bool) -> str:
    if not run.scored:
        return LACKING
    return NOTHING if means_nothing(run.record, key.partition(".")[0]) else BEST if best else ""


def number_cell(number: Number | None, mark: str) -> Cell:
    """Write a number with its mark; the best is bold."""
    if number is None:
        return Cell(NONE)
    text = with_interval(number.value, number.interval)
    return Cell(f"{text} {mark}".rstrip(), "bold" if mark == BEST else "")
