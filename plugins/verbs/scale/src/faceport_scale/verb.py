"""One run over many workers: cut into shards, each a run over a part, and merged."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faceport.api import Verb
from faceport.plugins.loading import create
from faceport.progress import progress
from faceport.runs.folder import alone_in, run_folder
from faceport.runs.options import ResultOptions, at_least_one
from faceport.runs.plan import make_plan
from faceport.runs.record import FILE, Record, second_place
from faceport_scale.dispatch import Dispatch
from faceport_scale.pool import Pool, Processes, Work

SHARDS = "shards"  # in the folder of the whole run
OWN = ("shards", "processes", "attempts", "straggler")  # options that no run has


@dataclass(frozen=True)
class SpreadOptions(ResultOptions):
    """Options of the whole run beside its groups."""

    shards: int = 16
    processes: int | None = None
    attempts: int = 3
    straggler: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(shards=self.shards, processes=self.processes, attempts=self.attempts)
        if self.part is not None:
            raise ValueError(f"part is {self.part}, and shards are parts already: faceport run does one part")
        if not self.straggler > 1:
            raise ValueError(f"straggler is {self.straggler}, it must be more than 1")


class Spread(Verb):
    """Run a model on a dataset with many workers."""

    Options = SpreadOptions
    options: SpreadOptions

    def act(self, config: Mapping[str, Any]) -> Record:
        """Do what is left of the shards, then make one run of them."""
        options, started = self.options, time.perf_counter()
        whole = {key: value for key, value in config.items() if key not in OWN}
        whole.update(part=None, official=False)
        plan = make_plan(whole, options)  # what cannot work is refused here, once
        second = second_place(options.record)
        shards = max(1, min(options.shards, plan.count()))
        folder = run_folder(whole) / SHARDS
        with alone_in(folder):
            if options.fresh:
                for copy in _copies(folder, shards):
                    shutil.rmtree(copy, ignore_errors=True)
            pool = Processes(options.processes)
            dispatch = Dispatch(pool, shards, options.attempts, options.straggler)
            parts = _work(dispatch, pool, whole, folder, shards)
            record: Record = create("verb", "merge", parts=[*map(str, parts)], out=options.out).act({})
        record = replace(record, notes=[*record.notes, *dispatch.notes])
        record = replace(record, seconds=round(time.perf_counter() - started, 3))
        for path in filter(None, (Path(record.folder) / FILE, second)):
            record.write(path)
        return record

    def show(self, outcome: Record) -> int:
        """Show the record as that of a merge."""
        shown: int = create("verb", "merge").show(outcome)
        return shown


def _work(dispatch: Dispatch, pool: Pool, whole: Mapping[str, Any], folder: Path, shards: int) -> list[Path]:
    """Have every shard done; give their folders, in the order of the dataset."""

    def start(shard: int, copy: int, place: Any) -> Work:
        config = _shard(whole, _copies(folder, shards)[copy], shard, shards)
        return pool.start(config, place, folder / f"{shard}-of-{shards}-{copy}.log")

    with progress(str(whole["model"]["name"]), shards) as shown:
        for _ in dispatch.run(start):
            shown.advance()
    return [
        run_folder(_shard(whole, _copies(folder, shards)[dispatch.copies[shard]], shard, shards))
        for shard in range(1, shards + 1)
    ]


def _copies(folder: Path, shards: int) -> tuple[Path, Path]:
    """Name the folder of shards, and that of those which are done a second time."""
    return folder / str(shards), folder / f"{shards}-again"


def _shard(whole: Mapping[str, Any], out: Path, shard: int, shards: int) -> dict[str, Any]:
    """Give the configuration of one shard: a run that goes on, and is kept when it is done."""
    return {**whole, "part": f"{shard}/{shards}", "out": str(out), "record": None, "fresh": False}
