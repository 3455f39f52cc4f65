"""What Optuna is asked: what to try next; its memory is a journal, so that an interrupted search goes on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from typing import Any

from faceport.errors import MissingError
from faceport.verb import Interval
from faceport_search.objectives import Objective

Values = Mapping[str, Sequence[str] | Interval]
ENDED, REASON = "ended", "reason"  # what is noted of a trial beside its numbers
AGAIN = 20  # times that a configuration may be proposed again before a new one is taken in its place
LISTED = 10_000  # configurations that are gone through for one that was not tried


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried."""

    choice: Mapping[str, str]
    values: tuple[float, ...] = ()  # of the objectives; none where it failed
    reason: str = ""  # why it failed


@dataclass
class Study:
    """Trials so far, and the next."""

    values: Values
    study: Any  # of Optuna
    asked: dict[tuple[str, ...], Any] = field(default_factory=dict)  # its open trials, by configuration

    @property
    def trials(self) -> list[Trial]:
        """List what was tried, each configuration once."""
        found: dict[tuple[str, ...], Trial] = {}
        for one in self.study.trials:
            if one.user_attrs.get(ENDED):
                choice = {key: _typed(one.params[key]) for key in self.values}
                trial = Trial(choice, tuple(one.values or ()), one.user_attrs.get(REASON, ""))
                found.setdefault(tuple(choice.values()), trial)
        return [*found.values()]

    def next(self) -> dict[str, str] | None:
        """Propose a configuration that was not tried; None where there is none left."""
        tried = {tuple(one.choice.values()) for one in self.trials}
        for _ in range(AGAIN):
            trial = self.study.ask()
            choice = {key: _suggested(trial, key, some) for key, some in self.values.items()}
            if tuple(choice.values()) not in tried:
                self.asked[tuple(choice.values())] = trial
                return choice
            self.study.tell(trial, state=_state("PRUNED"))
        left = next((one for one in _every(self.values) if tuple(one.values()) not in tried), None)
        if left:
            self.study.enqueue_trial(left)
            trial = self.study.ask()
            self.asked[tuple(left.values())] = trial
            return {key: _suggested(trial, key, some) for key, some in self.values.items()}
        return None

    def tell(self, choice: Mapping[str, str], values: Sequence[float] = (), reason: str = "") -> None:
        """Note what came of a proposal: numbers, or the reason why there are none."""
        trial = self.asked.pop(tuple(choice.values()))
        trial.set_user_attr(REASON, reason)
        trial.set_user_attr(ENDED, True)
        if reason:
            self.study.tell(trial, state=_state("FAIL"))
        else:
            self.study.tell(trial, [*values])


def open_study(path: Path, values: Values, objectives: Sequence[Objective], seed: int) -> Study:
    """Open the journal of a search, or begin one; what was interrupted is tried first."""
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise MissingError("a search needs optuna: pip install 'faceport-search[optuna]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path))),
        study_name="search",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=8),
        directions=[one.direction for one in objectives],
        load_if_exists=True,
    )
    for one in study.get_trials(states=[_state("RUNNING")]):
        study.tell(one.number, state=_state("FAIL"))
        if {*one.params} == {*values}:
            study.enqueue_trial(one.params)
    return Study(values, study)


def front(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[Trial]:
    """Keep the trials of which no other is as good in everything and better in something."""
    signs = [1 if one.better == "higher" else -1 for one in objectives]
    scored = [
        (one, [sign * value for sign, value in zip(signs, one.values, strict=True)])
        for one in trials
        if one.values
    ]
    kept = [
        (one, own)
        for one, own in scored
        if not any(
            other != own and all(b >= a for a, b in zip(own, other, strict=True)) for _, other in scored
        )
    ]
    return [one for one, own in sorted(kept, key=lambda pair: [-value for value in pair[1]])]


def configurations(values: Values) -> float:
    """Count what could be tried."""
    return math.prod(math.inf if isinstance(some, Interval) else len(some) for some in values.values())


def _suggested(trial: Any, key: str, some: Sequence[str] | Interval) -> str:
    if not isinstance(some, Interval):
        return str(trial.suggest_categorical(key, [*some]))
    if some.whole:
        return str(trial.suggest_int(key, round(some.low), round(some.high)))
    return _typed(trial.suggest_float(key, some.low, some.high))


def _typed(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _every(values: Values) -> Iterator[dict[str, str]]:
    """Go through all configurations, where they can be counted."""
    lists = [some for some in values.values() if not isinstance(some, Interval)]
    if len(lists) == len(values):
        for some in islice(product(*lists), LISTED):
            yield dict(zip(values, some, strict=True))


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]
