"""Make one page of runs, or a Markdown file, or a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceport.api import Verb
from faceport.errors import ConfigError, MissingError
from faceport.files import expand, write_atomically
from faceport.progress import progress
from faceport.runs.records import Run, gather
from faceport.verbs.show.terminal import console, say
from faceport_report.choose import decision_lines
from faceport_report.content import content
from faceport_report.curves import Curve, curves, opened
from faceport_report.decide import Decision, decide
from faceport_report.gallery import Case, gallery
from faceport_report.nodes import apart, nodes_of
from faceport_report.page import page, plotly_script
from faceport_report.tables import as_csv, as_markdown

KINDS = (".html", ".md", ".csv")
MOST_GALLERIES = 8  # runs whose pictures are shown


@dataclass(frozen=True)
class ReportOptions:
    """Options of the verb; conf/verb/report.yaml explains them."""

    places: list[str] = field(default_factory=list)
    out: str = "report.html"
    title: str | None = None
    max: Any = None
    min: Any = None
    best: str | None = None
    detail: int = 12
    overwrite: bool = True

    def __post_init__(self) -> None:
        if Path(self.out).suffix not in KINDS:
            raise ValueError(f"out={self.out} must end in {', '.join(KINDS)}, which says what is written")
        if self.detail < 0:
            raise ValueError(f"detail is {self.detail}, it must be 0 or more")


@dataclass(frozen=True)
class Written:
    """What was written, and what it says first."""

    path: Path
    runs: int
    decision: Decision
    refused: tuple[str, ...]


class Report(Verb):
    """Put runs on one page."""

    Options = ReportOptions
    options: ReportOptions

    def act(self, config: Mapping[str, Any]) -> Written:
        """Read the records, decide, and write the page."""
        options, path = self.options, expand(self.options.out)
        if path.exists() and not options.overwrite:
            raise ConfigError(f"out={path} exists, and overwrite=false says to keep it: choose another name")
        if path.suffix == ".html":
            plotly_script()  # known before the work
        gathered = gather(options.places or ["runs"])
        runs, diagnoses = apart(gathered.runs)
        if not runs:
            left = f": {'; '.join(gathered.refused)}" if gathered.refused else ""
            raise MissingError(f"there is no record to report on{left}")
        title = options.title or "What it costs"
        decision = decide(runs, options.max, options.min, options.best)
        if path.suffix == ".md":
            text = as_markdown(title, runs, decision, gathered.refused)
        elif path.suffix == ".csv":
            text = as_csv(runs)
        else:
            drawn, cases, remarks = looked_into(runs, decision, options.detail)
            facts = {**content(runs, decision, drawn), "nodes": nodes_of(diagnoses)}
            text = page(title, runs, facts, decision, cases, gathered.refused, remarks)
        write_atomically(path, text)
        return Written(path, len(runs), decision, gathered.refused)

    def show(self, outcome: Written) -> int:
        """Say what the page says first, and where it is."""
        out = console()
        for line, style in decision_lines(outcome.decision):
            say(out, line, style, indent=2)
        for reason in outcome.refused:
            say(out, f"left out: {reason}", "yellow", indent=2)
        say(out, f"{outcome.runs} run{'' if outcome.runs == 1 else 's'}: {outcome.path}")
        return 0


def looked_into(
    runs: Sequence[Run], decision: Decision, most: int
) -> tuple[dict[int, list[Curve]], dict[str, list[Case]], list[str]]:
    """Draw curves and pictures of so many runs: the best ones first, then the newest."""
    first = [at for at in (decision.winner, decision.runner_up) if at is not None]
    rest = [at for at in reversed(range(len(runs))) if at not in first and runs[at].scored]
    drawn: dict[int, list[Curve]] = {}
    cases: dict[str, list[Case]] = {}
    reasons: dict[str, int] = {}
    looked = [*first, *rest][:most]
    with progress("curves and pictures", len(looked)) as shown:
        for at in shown.over(looked):
            found = opened(runs[at])
            if isinstance(found, str):
                reasons[found] = reasons.get(found, 0) + 1
            else:
                seen = gallery(found)
                if seen and len(cases) < MOST_GALLERIES:
                    cases[decision.labels[at]] = seen
            drawn[at] = curves(runs[at], found)
    remarks = [f"No curves and pictures of {count} runs: {why}." for why, count in reasons.items()]
    if len(rest) + len(first) > len(looked):
        remarks.append(f"Curves and pictures are of {len(looked)} runs (detail={most}).")
    return drawn, cases, remarks
