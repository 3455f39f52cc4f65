"""Runs as Markdown and as a spreadsheet: the same numbers, text from data escaped."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from faceport.escapes import in_csv, in_markdown, printable
from faceport.runs.records import Run
from faceport.verbs.show.quantities import known_keys, numbers_of
from faceport_report.beside import beside
from faceport_report.choose import decision_lines
from faceport_report.decide import Decision
from faceport_report.repeating import command
from faceport_report.runs import tabulate
from faceport_report.settings import flat, labels


def as_markdown(heading: str, runs: Sequence[Run], decision: Decision, refused: Sequence[str]) -> str:
    """Write the decision, the table, what was left out, and the commands."""
    columns, rows = tabulate([*runs], [])
    titles = [in_markdown(" ".join(filter(None, (one.above, one.title)))) for one in columns]
    table = [
        titles,
        ["---"] * len(titles),
        *([_cell(cell.text, cell.style == "bold") for cell in row] for row in rows),
    ]
    verdict, *rest = decision_lines(decision)
    commands = dict.fromkeys(printable(command(run.record.config, run.record.verb)) for run in runs)
    parts = [
        f"# {in_markdown(heading)}",
        f"**{in_markdown(verdict[0])}**",
        "\n".join(f"- {in_markdown(text)}" for text, _ in rest),
        "\n".join(f"| {' | '.join(line)} |" for line in table),
        "\n".join(f"- left out: {in_markdown(reason)}" for reason in refused),
        *_beside(runs),
        "## To run them again",
        "\n".join(f"    {line}" for line in commands),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _cell(text: str, bold: bool) -> str:
    escaped = in_markdown(text)
    return f"**{escaped}**" if bold else escaped


def _beside(runs: Sequence[Run]) -> list[str]:
    """Write published numbers beside ours, where an experiment has any."""
    named = labels([flat(run.record.config) for run in runs])
    found, notes = beside([run.record for run in runs], named)
    if not found:
        return []
    titles = ["", "number", "published", "where", "here", ""]
    cells = [[line.label, line.key, line.published, line.where, line.measured, line.said] for line in found]
    table = [titles, ["---"] * len(titles), *([in_markdown(cell) for cell in line] for line in cells)]
    written = "\n".join(f"| {' | '.join(line)} |" for line in table)
    return ["## Published beside measured", written, *(in_markdown(note) for note in notes)]


def as_csv(runs: Sequence[Run]) -> str:
    """Write every option and every number of each run, with intervals; no cell is taken for a formula."""
    settings = [flat(run.record.config) for run in runs]
    tables = [numbers_of(run.record) for run in runs]
    options = list(dict.fromkeys(key for one in settings for key in one))
    numbers = list(known_keys(tables))
    ends = [key for key in numbers if any(key in table and table[key].interval for table in tables)]
    out = io.StringIO()
    writer = csv.writer(out)
    titles = ["record", "status", "reason", "written", *options, *numbers]
    titles += [f"{key} {end}" for key in ends for end in ("95% low", "95% high")]
    writer.writerow(map(in_csv, titles))
    for run, option, table in zip(runs, settings, tables, strict=True):
        line = [str(run.path), run.record.status, run.record.reason, run.record.written]
        line += [option.get(key, "") for key in options]
        line += [repr(table[key].value) if key in table else "" for key in numbers]
        for key in ends:
            interval = table[key].interval if key in table else None
            line += [repr(end) for end in interval] if interval else ["", ""]
        writer.writerow(map(in_csv, line))
    return out.getvalue()
