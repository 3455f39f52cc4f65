"""Run what a record says once more, and tell which of its numbers held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceport.api import Verb
from faceport.artifacts.trust import loads_code
from faceport.errors import ConfigError
from faceport.plugins.loading import create
from faceport.runs.chosen import NAME
from faceport.runs.folder import run_folder
from faceport.runs.record import FILE, Record
from faceport.runs.records import Run, one
from faceport.verbs.show.quantities import COSTS, numbers_of
from faceport.verbs.show.terminal import console, say
from faceport_report.compare import compare
from faceport_report.comparison import Comparison, show_comparison
from faceport_report.repeating import command

DRIFT = 0.2  # share by which times may differ on the same machine before they are said not to have held
SAME = 1e-6  # relative difference of numbers that are the same


@dataclass(frozen=True)
class RepeatOptions:
    """Options of the verb; conf/verb/repeat.yaml explains them."""

    place: list[str] = field(default_factory=list)
    out: str = "repeated"
    trust: bool = False


@dataclass(frozen=True)
class Repeated:
    """The two records beside each other, and which numbers held."""

    comparison: Comparison
    held: tuple[str, ...]
    failed: tuple[str, ...]
    elsewhere: tuple[str, ...]  # costs of another machine: not asked to hold


class Repeat(Verb):
    """Run a record again."""

    Options = RepeatOptions
    options: RepeatOptions

    def act(self, config: Mapping[str, Any]) -> Repeated:
        """Run the same configuration into another folder and compare."""
        if len(self.options.place) != 1:
            raise ConfigError("repeat takes one record: faceport repeat runs/NAME, or a record's file")
        before = one(self.options.place[0])
        check(before)
        check_trust(before, self.options.trust)
        again = {**before.record.config, "out": self.options.out, "record": None, "fresh": True}
        if run_folder(again).resolve() == before.folder.resolve():
            raise ConfigError(f"out={self.options.out} is where the record lies: choose another folder")
        own = {key: value for key, value in again.items() if key in _run_options()}
        record: Record = create("verb", "run", **own).act(again)
        after = Run(Path(record.folder) / FILE, record)
        comparison = compare(before, after)
        return judged(comparison)

    def show(self, outcome: Repeated) -> int:
        """Show what differs and what held; exit code 1 where an accuracy did not hold."""
        show_comparison(outcome.comparison)
        out = console()
        say(out, "")
        for text, names, style in (
            ("held", outcome.held, "green"),
            ("did not hold", outcome.failed, "red"),
            ("of another machine or load, not asked to hold", outcome.elsewhere, "yellow"),
        ):
            if names:
                say(out, f"{text}: {', '.join(names)}", style, indent=2)
        return 1 if any(not is_cost(name) for name in outcome.failed) else 0


def is_cost(key: str) -> bool:
    """Tell times and sizes from what a model says."""
    return key.partition(".")[0] in COSTS


def check(run: Run) -> None:
    """Refuse records that no single run makes."""
    record = run.record
    if record.predictions or not record.config.get("model"):
        raise ConfigError(f"{run.path} is of predictions that were scored, not of a run: score them again")
    if record.verb != "run":
        raise ConfigError(
            f"{run.path} was made by faceport {record.verb}. Do it again, and faceport compare the two: "
            f"{command(record.config, record.verb)}"
        )
    if record.parts:
        raise ConfigError(f"{run.path} was merged of {len(record.parts)} runs: repeat these, and merge them")


def check_trust(run: Run, trust: bool) -> None:
    """Refuse a record, which may be anybody's, that would run code of whoever wrote it."""
    target = run.record.config.get("target") or {}
    if not trust and loads_code(str(target.get(NAME)), target):
        raise ConfigError(
            f"{run.path} is of target={target.get(NAME)}, which runs native code, or programs that its "
            "options name, and whoever wrote the record chose these. If you trust that, say so: trust=true"
        )


def _run_options() -> Mapping[str, Any]:
    from faceport.plugins.index import installed

    return installed().find("verb", "run").options


def judged(comparison: Comparison) -> Repeated:
    """Tell which numbers held: within their interval, or equal; times to a fifth, on the same machine."""
    first, second = numbers_of(comparison.before.record), numbers_of(comparison.after.record)
    same_machine = comparison.before.record.host == comparison.after.record.host
    held, failed, elsewhere = [], [], []
    for key, old in first.items():
        cost = is_cost(key)
        if cost and not same_machine:
            elsewhere.append(key)
        elif key not in second:
            failed.append(f"{key} (not there)")
        elif close(old.value, second[key].value, old.interval, DRIFT if cost else SAME):
            held.append(key)
        else:
            failed.append(f"{key} ({old.value:.6g}, now {second[key].value:.6g})")
    return Repeated(comparison, tuple(held), tuple(failed), tuple(elsewhere))


def close(old: float, new: float, interval: tuple[float, float] | None, share: float) -> bool:
    """Tell whether a number lies within the interval of another, or as near as the share allows."""
    inside = interval is not None and interval[0] <= new <= interval[1]
    return inside or abs(new - old) <= share * max(abs(old), abs(new))
