"""Try configurations, let Optuna choose the next, and name those that nothing beats in everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceport.api import Verb
from faceport.errors import ConfigError, FaceportError
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.runs.folder import alone_in, named_folder
from faceport.runs.options import at_least_one
from faceport.runs.record import Record
from faceport.verb import Space
from faceport_search.objectives import Objective, measured_by, objectives_of, values_of
from faceport_search.show import show, show_trial
from faceport_search.study import Study, Trial, configurations, front, open_study

JOURNAL = "journal.log"
OWN = ("objective", "trials", "seed", "out", "space")  # options that change no trial
BENCHED = {"scenario": {"name": "single_stream"}}  # how a trial that is a benchmark is asked


@dataclass(frozen=True)
class SearchOptions:
    """Options of the search itself; conf/verb/search.yaml explains them and those of its trials."""

    objective: list[str] = field(default_factory=list)
    trials: int = 20
    seed: int = 0
    batch_size: int = 1
    workers: int | None = None
    in_flight: int | None = None
    limit: int | None = None
    parity: int = 2
    calibration: Any = None
    tolerance: float = 1e-3
    seconds: float | None = None
    profile: str = "quick"
    pool: int = 16
    out: str = "searches"

    def __post_init__(self) -> None:
        at_least_one(trials=self.trials)


@dataclass(frozen=True)
class Searched:
    """What was tried, and the best of it."""

    folder: Path
    objectives: Sequence[Objective]
    trials: Sequence[Trial]
    front: Sequence[Trial]


class Search(Verb):
    """Search options for what is better in several numbers at once."""

    Options = SearchOptions
    options: SearchOptions

    def act(self, config: Mapping[str, Any]) -> Searched:
        """Try configurations until there are enough, going on where an earlier call stopped."""
        options, space = self.options, config.get("space")
        objectives = objectives_of(options.objective)
        if not isinstance(space, Space) or not space.values:
            raise ConfigError(
                "there is nothing to search: give an option several values, as in model.size=320,640, or "
                "'model.confidence=interval(0.01,0.9)'"
            )
        by, folder = measured_by(objectives), folder_of(config, space, objectives)
        with alone_in(folder):
            study = open_study(folder / JOURNAL, space.values, objectives, options.seed)
            wanted = min(options.trials, configurations(space.values))
            while (done := len(study.trials)) < wanted and (choice := study.next()):
                trial = self._tried(study, choice, space, by, objectives, folder)
                show_trial(done + 1, int(wanted), trial, objectives)
                if done == 0 and trial.reason.startswith("its record has no "):
                    raise ConfigError(trial.reason)
            trials = study.trials
        return Searched(folder, objectives, trials, front(trials, objectives))

    def _tried(
        self,
        study: Study,
        choice: Mapping[str, str],
        space: Space,
        by: str,
        objectives: Sequence[Objective],
        folder: Path,
    ) -> Trial:
        """Try one configuration; one that fails is noted with its reason."""
        try:
            record = measured({**space.compose(choice), "out": str(folder)}, by)
            values, reason = values_of(record, objectives), ""
        except FaceportError as error:
            values, reason = [], str(error)
        study.tell(choice, values, reason)
        return Trial(choice, tuple(values), reason)

    def show(self, outcome: Searched) -> int:
        """Show the front; exit code 1 where no trial gave its numbers."""
        show(outcome.folder, outcome.objectives, outcome.trials, outcome.front)
        return 0 if outcome.front else 1


def folder_of(config: Mapping[str, Any], space: Space, objectives: Sequence[Objective]) -> Path:
    """Choose the folder of a search: the same for the same command, whatever trials= it asks for."""
    fixed = [word for word in space.fixed if word.partition("=")[0] not in (*OWN, "fresh")]
    values = {key: repr(some) for key, some in space.values.items()}
    groups = [group for group in ("model", "dataset") if group not in values]
    return named_folder(config, "", groups, [sorted(fixed), values, [one.key for one in objectives]])


def measured(config: Mapping[str, Any], by: str) -> Record:
    """Make the record of one configuration; a run that was done already is kept."""
    mine = {**installed().find("verb", "search").options}
    own = installed().find("verb", by).options
    taken = {key: value for key, value in config.items() if key in own or key not in mine}
    taken = {**own, **taken, "out": config["out"]}
    if by == "run":
        taken["fresh"] = False
        made: Record = create("verb", "run", **{key: taken[key] for key in own}).act(taken)
        return made
    taken = {**taken, **BENCHED}
    benched = create("verb", "bench", **{key: taken[key] for key in own}).act(taken)
    record: Record = benched.records[0]
    return record
