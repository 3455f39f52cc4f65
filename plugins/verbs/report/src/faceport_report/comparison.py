"""Two runs beside each other, as a value and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from faceport.runs.records import Run
from faceport.verbs.show.numbers import ARROWS, number
from faceport.verbs.show.quantities import Number
from faceport.verbs.show.table import Cell, Column
from faceport.verbs.show.terminal import console, say, show_table
from faceport_report.changes import Change
from faceport_report.paired import Difference
from faceport_report.pictures import Picture

NONE = "–"


@dataclass(frozen=True)
class Comparison:
    """Two runs beside each other."""

    before: Run
    after: Run
    changes: tuple[Change, ...]
    numbers: Mapping[str, tuple[Number, Difference]]
    pictures: tuple[Picture, ...]
    failures: tuple[str, ...]
    notes: tuple[str, ...]


HOWS = {
    "pairs": "intervals of accuracies: the same pictures left out of both, group by group (jackknife)",
    "durations": "intervals of latencies: over the pictures of each run; a drifting machine adds to them",
    "intervals": "other intervals: as the metrics computed them, taken as independent (too wide for the same "
    "pictures)",
}


def show_comparison(outcome: Comparison) -> None:
    """Show a comparison as tables."""
    out = console()
    say(out, f"A {outcome.before.path}")
    say(out, f"B {outcome.after.path}")
    if outcome.changes:
        columns = [Column("part"), *(Column(title, least=14) for title in ("what", "A", "B"))]
        rows = [
            [Cell(one.part), Cell(one.key), Cell(one.before or NONE), Cell(one.after or NONE)]
            for one in outcome.changes
        ]
        show_table(out, columns, rows)
    else:
        say(out, "nothing differs in configuration, weights, data, versions and machine")
    say(out, "")
    titles = ("A", "B", "B - A", "95 % interval")
    columns = [
        Column("number", least=18),
        *(Column(title, right=True) for title in titles),
        Column("verdict"),
    ]
    show_table(out, columns, [_row(key, *pair) for key, pair in outcome.numbers.items()])
    hows = {difference.how for _, difference in outcome.numbers.values()}
    for how, sentence in HOWS.items():
        if how in hows:
            say(out, sentence)
    if outcome.pictures:
        say(out, "")
        columns = [Column("changed most", least=20), Column("change", right=True), Column(prose=True)]
        rows = [[Cell(one.id), Cell(f"{one.change:.3f}"), Cell(one.words)] for one in outcome.pictures]
        show_table(out, columns, rows)
    for note in outcome.notes:
        say(out, f"note: {note}", "yellow", indent=2)
    for failure in outcome.failures:
        say(out, f"fail_if holds: {failure}", "red", indent=2)


def _row(key: str, example: Number, difference: Difference) -> list[Cell]:
    """Write a number of both runs, the difference, and what to think of it."""
    change, ends = difference.change, difference.interval
    signed = NONE if change is None else f"{'+' if change >= 0 else '-'}{number(abs(change))}"
    values = (NONE if value is None else number(value) for value in (difference.before, difference.after))
    verdict = verdict_of(example, difference)
    texts = [f"{key}{ARROWS[example.better]}", *values, signed]
    texts.append(f"{number(ends[0])} to {number(ends[1])}" if ends else NONE)
    return [*map(Cell, texts), Cell(verdict, {"worse": "red", "better": "green"}.get(verdict, ""))]


def verdict_of(example: Number, difference: Difference) -> str:
    """Say better, worse, chance or unknown."""
    change = difference.change
    if change is None:
        return "one only"
    if change == 0:
        return "same"
    if difference.real is False:
        return "chance"
    word = "" if not example.sign else "better" if change * example.sign > 0 else "worse"
    return word if difference.real else f"{word}?"
