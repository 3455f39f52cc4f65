"""Sweeps: Hydra runs the jobs, each leaves a note in the sweep's folder, the notes lead to the records.

The folder lies below out=, so that jobs on other machines find it where they find everything else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from faceport.errors import FaceportError
from faceport.networks.sources.addresses import without_secrets
from faceport.runs.provenance import surroundings
from faceport.runs.record import FILE, Record
from faceport.shell.compose import hydra_main
from faceport.shell.flags import Flags
from faceport.shell.jobs import EXPERIMENT, plan_jobs, read_notes, this_job
from faceport.shell.verb import make_verb
from faceport.verbs.run import WAITING, record_failure

_folders: list[Path] = []  # of the sweeps that this process began


class Begin(Callback):
    """Learn from Hydra where a sweep's folder is, once it has composed it."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Note the folder, and there what is swept over."""
        _folders.append(plan_jobs(config))


def sweep(verb: str, flags: Flags, words: Sequence[str]) -> int:
    """Run every job; one that fails is recorded, the others go on. Give the exit code."""
    from faceport.verbs.show.terminal import show_sweep

    _folders.clear()
    name = time.strftime("%Y%m%d-%H%M%S") + f"-{os.getpid()}"
    hydra_main(verb, flags, words, lambda config: run_job(verb, config), name)
    if not _folders:
        return 0  # Hydra was told by hydra.mode to run one job
    records = read_jobs(_folders[-1])
    show_sweep(records, [{EXPERIMENT: note.get(EXPERIMENT)} for note in read_notes(_folders[-1])])
    if not records or any(record.status in ("failed", "incomplete") for record in records):
        return 1
    return WAITING if any(record.status == "waiting" for record in records) else 0


def run_job(verb: str, config: dict[str, Any]) -> None:
    """Run one job; a failure is recorded with its reason and does not stop the others."""
    note: dict[str, Any]
    job = this_job()
    print(": ".join(filter(None, (job.title, job.label))), flush=True)
    if config.get("fresh") is None:
        config = {**config, "fresh": False}  # a sweep that is started again runs what is missing
    try:
        made = make_verb(verb, config)
        record: Record = made.act(config)
        note = {"folder": record.folder, "kept": record.kept}
        said = f"{'kept' if record.kept else record.status}: {record.folder}"
    except Exception as error:
        if os.environ.get("FACEPORT_DEBUG"):
            raise
        note = _failed(config, error)
        said = f"failed: {error}"
    job.write(note)
    left = job.left()
    print(f"{job.title}: {said}{f' ({left})' if left else ''}", flush=True)


def _failed(config: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    try:
        return {"folder": record_failure(config, error).folder}
    except (FaceportError, OSError):  # a full disk is no reason to lose the reason
        return {"reason": str(error), "config": without_secrets(config)}


def read_jobs(folder: Path) -> list[Record]:
    """Read the records of all jobs of a sweep, in their order."""
    return [_record(note) for note in read_notes(folder)]


def _record(note: Mapping[str, Any]) -> Record:
    if "reason" in note:
        config = note["config"]
        return Record("failed", config, str(note["reason"]), **surroundings(config))
    record = Record.read(Path(note["folder"]) / FILE)
    if record is None:
        return Record("failed", {}, f"its record in {note['folder']} is gone")
    return replace(record, kept=bool(note.get("kept")), folder=note["folder"])
