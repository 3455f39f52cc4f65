"""A search on a terminal: each trial as it ends, and the front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from faceport.verbs.show.numbers import ARROWS, number
from faceport.verbs.show.table import Column, row
from faceport.verbs.show.terminal import console, say, show_table
from faceport_search.objectives import Objective
from faceport_search.study import Trial


def words(trial: Trial) -> str:
    """Write what was chosen as it is typed."""
    return " ".join(f"{key}={value}" for key, value in trial.choice.items())


def show_trial(at: int, total: int, trial: Trial, objectives: Sequence[Objective]) -> None:
    """Say what came of one trial."""
    said = [f"{one.key} {number(value)}" for one, value in zip(objectives, trial.values, strict=False)]
    what = f"failed: {trial.reason}" if trial.reason else ", ".join(said)
    say(console(), f"trial {at} of {total}: {words(trial)}: {what}", "red" if trial.reason else "", indent=2)


def show(
    folder: Path, objectives: Sequence[Objective], trials: Sequence[Trial], front: Sequence[Trial]
) -> None:
    """Show the front as a table, and what may be done with it."""
    out = console()
    failed = sum(bool(one.reason) for one in trials)
    several = len(objectives) > 1
    lost = f", {failed} failed" if failed else ""
    if not front:
        say(out, f"{len(trials)} trials, none gave its numbers", "red")
        return
    what = "none of these is better than another in everything" if several else "the best"
    say(out, f"{len(trials)} trials{lost}; {what}:", "bold")
    keys = [*front[0].choice]
    columns = [Column(key.rpartition(".")[2], key=True, least=6) for key in keys]
    columns += [
        Column(f"{one.key.partition('.')[2].replace('_', ' ')}{ARROWS[one.better]}", right=True)
        for one in objectives
    ]
    show_table(out, columns, [row(*one.choice.values(), *map(number, one.values)) for one in front])
    say(out, "trials ran one after the other: faceport bench measures those of the front side by side")
    say(out, f"all trials, and the front as a plot: faceport report {folder}", indent=2)
