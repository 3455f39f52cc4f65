"""Run a model on a dataset, score it, and write one record."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faceport.artifacts.builder import Built
from faceport.artifacts.store import Store
from faceport.data.predictions import FILE as PREDICTIONS
from faceport.data.predictions import PredictionFile, read_predictions
from faceport.engine.engine import Engine
from faceport.engine.ledger import is_away, replay_in_rounds
from faceport.engine.timing import Stages
from faceport.errors import FaceportError, WaitingError
from faceport.progress import progress
from faceport.runs.ahead import Ahead
from faceport.runs.folder import alone_in, is_marked, run_folder, run_mark, write_mark
from faceport.runs.options import ResultOptions
from faceport.runs.plan import Plan, make_plan
from faceport.runs.provenance import artifact_facts, surroundings
from faceport.runs.record import FILE as RECORD
from faceport.runs.record import Record, RecordError, Samples, Timing, second_place
from faceport.runs.reference import reference_predictions
from faceport.runs.scoring import judged, score
from faceport.study.budget import keep_within_budget
from faceport.study.speed import compare_with_float, slow_notes
from faceport.types import Prediction, Sample
from faceport.verbs.recorded import Recorded, keep


@dataclass(frozen=True)
class RunOptions(ResultOptions):
    """Options of a run beside its groups."""

    official: bool = False


class Run(Recorded):
    """Run a model on a dataset and score it."""

    Options = RunOptions
    options: RunOptions

    def act(self, config: Mapping[str, Any]) -> Record:
        """Run what the configuration says, or go on with it; fresh=false keeps a finished run."""
        options, folder = self.options, run_folder(config)
        plan = make_plan(config, options)
        if options.fresh:
            plan = replace(plan, store=Store(fresh=True))
        second = second_place(options.record)
        with alone_in(folder, wait=options.fresh is False):
            return self._run(plan, folder, second)

    def _run(self, plan: Plan, folder: Path, second: Path | None) -> Record:
        """Run in a folder where nobody else writes."""
        options, mark = self.options, run_mark(plan)
        same = is_marked(folder, mark)
        earlier = _earlier(folder)
        finished = earlier is not None and earlier.status == "done" and same
        if earlier and finished and options.fresh is False:
            return replace(earlier, kept=True, folder=str(folder))
        restart = options.fresh is True or not same or finished
        (folder / RECORD).unlink(missing_ok=True)
        started = time.perf_counter()
        if any(metric.against_reference for metric in plan.metrics.values()):
            # First: where there is none, it is known before the work.
            reference_predictions(plan, fresh=options.fresh is True)
        plan, budget = keep_within_budget(plan, folder)
        built = plan.build(plan.questions())
        try:
            with PredictionFile(folder / PREDICTIONS, fresh=restart) as file:
                write_mark(folder, mark)
                record = self._predict(plan, built, file)
            ratios = compare_with_float(plan, built) if record.status == "done" else {}
        finally:
            built.close()
        notes = [
            *_other_precisions(plan, record),
            *_notes_of_sessions(record),
            *slow_notes(plan.target.precision, ratios),
            *([SIMULATED.format(record.simulated)] if record.simulated else []),
        ]
        record = replace(record, folder=str(folder), times_as_fast_as_fp32=ratios, budget=budget)
        # Those of this very plan: it knows what its networks were calibrated on.
        record = replace(record, notes=[*dict.fromkeys([*plan.warnings(), *notes])])
        if record.status == "done":
            record = judged(
                replace(record, metrics=self._score(plan, folder, record)), options.missing_allowed
            )
        record = replace(record, seconds=round(time.perf_counter() - started, 3))
        return keep(record, folder, second)

    def _predict(self, plan: Plan, built: Built, file: PredictionFile) -> Record:
        """Send every sample that has no prediction yet through the model."""
        resumed, failed_before, total = file.count, file.failures, plan.count()
        loaded = load_facts(plan, built, total - resumed)
        stages = Stages(loaded.get("warm_up", 0))
        ahead = Ahead(plan.dataset, stages)
        away, strict = is_away(built.sessions), plan.settings.strict

        def left() -> tuple[int, Iterable[Sample]]:
            return file.count, file.without_done(plan.questions())

        if away:
            predictions: Iterator[Prediction] = replay_in_rounds(plan.model, built.sessions, left, strict)
        else:
            engine = Engine(plan.model, built.sessions, plan.settings, [stages])
            predictions = ahead.run(engine, left()[1])
        reason, started = "", time.perf_counter()
        with progress(str(plan.config["model"]["name"]), total) as shown:
            shown.advance(resumed)
            try:
                for prediction in shown.over(predictions):
                    file.write(prediction)
            except WaitingError as waiting:
                reason = str(waiting)
        spent = time.perf_counter() - started - ahead.seconds
        new = file.count - resumed - (file.failures - failed_before)  # what was never read is no speed
        return Record(
            status="waiting" if reason else "done",
            config=plan.config,
            reason=reason,
            samples=Samples(
                total=total,
                predicted=file.count - file.failures,
                resumed=resumed,
                missing=total - file.count,
                unreadable=file.failures,
                unreadable_named=file.named,
            ),
            timing=Timing()  # of networks that ran elsewhere nothing was measured
            if away
            else Timing(
                samples=new,
                seconds=round(spent, 6),
                samples_per_second=round(new / spent, 3) if new else None,
                stages=stages.summary(),
                loaded=loaded,
            ),
            settled=plan.settled(),
            data=dict(plan.dataset.facts()),
            **artifact_facts(built),
            **surroundings(plan.config, plan.metrics),
        )

    def _score(self, plan: Plan, folder: Path, record: Record) -> Mapping[str, Mapping[str, Any]]:
        """Compute metrics from the file of predictions, and from what was measured on the way."""
        path = folder / PREDICTIONS
        if self.options.official:
            plan.dataset.write_predictions(read_predictions(path), folder / "official")
        return score(plan, lambda: read_predictions(path), record)


SIMULATED = "{} stood in for the hardware: the accuracy counts, the time does not"


def load_facts(plan: Plan, built: Built, pictures: int) -> dict[str, Any]:
    """Say how much the engine has in hand at once, on which the time that each picture takes depends.

    As many pictures as are in flight at once, but at most a fifth of them, warm it up and are not timed.
    """
    if is_away(built.sessions):
        return {}
    load = plan.settings.load(built.sessions)
    return {
        "workers": load.workers,
        "in_flight": load.in_flight,
        "batch_size": plan.settings.batch_size,
        "streams": max((session.streams for session in built.sessions.values()), default=1),
        "threads": plan.config["target"].get("threads"),  # inside a run; None: as the target finds best
        "warm_up": min(load.in_flight, pictures // 5),
    }


def _earlier(folder: Path) -> Record | None:
    """Read the record of an earlier run in the same folder; what cannot be read is made anew."""
    try:
        return Record.read(folder / RECORD)
    except RecordError:
        return None


def _notes_of_sessions(record: Record) -> list[str]:
    """Collect what sessions say of how they run, e.g. that an artifact suits another processor."""
    return [
        f"network '{name}': {facts['runs_as']['note']}"
        for name, facts in record.artifacts.items()
        if "note" in facts["runs_as"]
    ]


def _other_precisions(plan: Plan, record: Record) -> list[str]:
    """Say which networks run in another precision than was asked for, where the user allowed it."""
    asked = plan.target.precision
    running = {name: facts["runs_as"].get("precision", asked) for name, facts in record.artifacts.items()}
    return [
        f"network '{name}' runs in {precision}, although {asked} was asked for"
        for name, precision in running.items()
        if precision != asked
    ]


def record_failure(config: Mapping[str, Any], error: BaseException) -> Record:
    """Write the record of a run that failed, with its reason."""
    reason = str(error) if isinstance(error, FaceportError) else f"{type(error).__name__}: {error}"
    folder = run_folder(config)
    record = Record("failed", config, reason, folder=str(folder), **surroundings(config))
    record.write(folder / RECORD)
    return record
