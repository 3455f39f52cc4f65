"""Make one run of runs over parts of a dataset: predictions in its order, scored once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from faceport.data.predictions import FILE as PREDICTIONS
from faceport.data.predictions import read_predictions
from faceport.errors import ConfigError, MissingError
from faceport.files import expand, open_file
from faceport.places import finished
from faceport.runs.folder import VOLATILE, alone_in, run_folder, run_mark, write_mark
from faceport.runs.oncard import PUBLISHED
from faceport.runs.options import ArtifactOptions, PortionOptions
from faceport.runs.plan import Plan, make_plan
from faceport.runs.provenance import surroundings
from faceport.runs.record import FILE as RECORD
from faceport.runs.record import Record, merge, second_place
from faceport.runs.scoring import judged, score
from faceport.verbs.recorded import Recorded, keep


@dataclass(frozen=True)
class MergeOptions:
    """Which runs become one, and where it is written."""

    parts: list[str] = field(default_factory=list)  # folders
    out: str | None = None
    record: str | None = None


@dataclass(frozen=True)
class WholeOptions(ArtifactOptions, PortionOptions):
    """What a plan of the whole run needs to know."""


class Merge(Recorded):
    """Make one run of several."""

    Options = MergeOptions
    options: MergeOptions

    def act(self, config: Mapping[str, Any]) -> Record:
        """Put the predictions of all parts into one file and score it."""
        started, options = time.perf_counter(), self.options
        second = second_place(options.record)
        parts = read_parts([expand(folder) for folder in options.parts])
        whole = {**parts[0].config, "part": None}
        whole["out"] = options.out or str(Path(parts[0].folder).parent)  # a record may come from anybody
        plan = make_plan(whole, WholeOptions(whole.get("limit"), artifact=whole.get("artifact")))
        folder = run_folder(whole)
        check_complete(parts, plan)
        with alone_in(folder):
            record = self._merge(plan, parts, folder)
            record = replace(record, seconds=round(time.perf_counter() - started, 3))
            write_mark(folder, run_mark(plan))
            return keep(record, folder, second)

    def _merge(self, plan: Plan, parts: Sequence[Record], folder: Path) -> Record:
        """Write the predictions of all parts into one file and score it."""
        path, whole = folder / PREDICTIONS, plan.config
        concatenate([Path(part.folder) / PREDICTIONS for part in parts], path)
        samples, timing = merge(parts)
        notes = dict.fromkeys(note for part in parts for note in part.notes)
        record = replace(
            parts[0],
            config=whole,
            folder=str(folder),
            samples=samples,
            timing=timing,
            parts=[_origin(part) for part in parts],
            notes=[note for note in notes if not note.startswith(PUBLISHED)],  # of numbers of parts
            data=dict(plan.dataset.facts()),
            **surroundings(whole, plan.metrics),
        )
        record = replace(record, status="done", reason="")
        record = replace(record, metrics=score(plan, lambda: read_predictions(path), record))
        return judged(record, int(whole.get("missing_allowed") or 0))


def read_parts(folders: Sequence[Path]) -> list[Record]:
    """Read the records of runs over parts, in their order; refuse what does not belong together."""
    if not folders:
        raise ConfigError("name the folders of the parts: faceport merge runs/NAME-1 runs/NAME-2 ...")
    records = []
    for folder in folders:
        record = Record.read(folder / RECORD)
        if record is None:
            raise MissingError(f"{folder} holds no {RECORD}: give the folders of finished runs")
        if record.status not in ("done", "incomplete"):
            raise ConfigError(f"{folder} is {record.status}, not done: {record.reason}")
        if not record.config.get("part"):
            raise ConfigError(f"{folder} is a run over all pictures, not over a part (part=NUMBER/PARTS)")
        records.append(replace(record, folder=str(folder)))
    first = records[0]
    for record in records[1:]:
        difference = _difference(first.config, record.config)
        if difference:
            raise ConfigError(
                f"{first.folder} and {record.folder} differ in more than their part: in {difference}"
            )
        if {**record.weights} != {**first.weights}:
            raise ConfigError(f"{first.folder} and {record.folder} were made with different weights")
    return sorted(records, key=_number)


def _number(record: Record) -> int:
    return PortionOptions(part=record.config["part"]).fraction[0]


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Name the first option in which two runs differ and that changes numbers; empty where none does."""
    passed = {*VOLATILE, "part", "workers", "in_flight", "batch_size"}
    keys = dict.fromkeys([*one, *other])
    return next((key for key in keys if key not in passed and one.get(key) != other.get(key)), "")


def check_complete(parts: Sequence[Record], plan: Plan) -> None:
    """Refuse parts that overlap, leave gaps, or have not predicted every one of their pictures."""
    numbers = [PortionOptions(part=part.config["part"]).fraction for part in parts]
    wanted = [(number, numbers[0][1]) for number in range(1, numbers[0][1] + 1)]
    if numbers != wanted:
        missing = [f"{number}/{many}" for number, many in wanted if (number, many) not in numbers]
        portions = ", ".join(f"{number}/{many}" for number, many in numbers)
        lacking = f"; {', '.join(missing)} are missing" if missing else ""
        raise ConfigError(f"these parts do not make one whole: {portions}{lacking}")
    total = sum(part.samples.total for part in parts)
    if total != plan.count():
        raise ConfigError(
            f"the parts have {total} pictures, the dataset has {plan.count()} now: was it changed since?"
        )


def concatenate(files: Sequence[Path], path: Path) -> None:
    """Write files one after the other into one, whole or not at all, in constant memory."""
    with finished(path) as temporary, temporary.open("wb") as out:
        for file in files:
            with open_file(file) as source:
                shutil.copyfileobj(source, out, 1 << 20)
        out.flush()


def _origin(part: Record) -> dict[str, Any]:
    return {
        "part": part.config["part"],
        "folder": part.folder,
        "host": dict(part.host),
        "versions": dict(part.versions),
        "seconds": part.seconds,
        "written": part.written,
    }
