"""Sweeps: Hydra runs the jobs, each leaves a note in the sweep's folder, the notes lead to the records.

The folder lies below out=, so that jobs on other machines find it where they find everything else.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from faceport.errors import BusyError, FaceportError
from faceport.escapes import printable
from faceport.files import write_atomically
from faceport.networks.sources.addresses import redacted, without_secrets
from faceport.runs.provenance import surroundings
from faceport.runs.record import FILE, Record
from faceport.shell.compose import hydra_main
from faceport.shell.flags import Flags
from faceport.shell.jobs import EXPERIMENT, plan_jobs, read_notes, this_job
from faceport.shell.objectives import OBJECTIVE, best, direct, objectives, values
from faceport.shell.verb import make_verb
from faceport.verbs.recorded import WAITING
from faceport.verbs.run import record_failure
from faceport.verbs.show.text import print_sentence

KEPT = "multirun.yaml"  # in which Hydra writes down what a sweep was asked for
_folders: list[Path] = []  # of the sweeps that this process began


class Begin(Callback):
    """Learn from Hydra where a sweep's folder is, once it has composed it."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Note the folder, and there what is swept over; tell the sweeper what to make better."""
        try:
            direct(config)
        except FaceportError as error:  # Hydra would only warn of it and go on
            print_sentence(f"error: {printable(str(error))}", stream=sys.stderr)
            raise SystemExit(1) from error
        _folders.append(plan_jobs(config))


def sweep(verb: str, flags: Flags, words: Sequence[str]) -> int:
    """Run every job; one that fails is recorded, the others go on. Give the exit code."""
    from faceport.verbs.show.terminal import show_sweep

    _folders.clear()
    name = time.strftime("%Y%m%d-%H%M%S") + f"-{os.getpid()}"
    fruitless = False
    try:
        hydra_main(verb, flags, words, lambda config: run_job(verb, config), name)
    except ValueError as error:
        if "No trials are completed" not in str(error):
            raise
        print_sentence("error: the search has no best: no job gave its objective", stream=sys.stderr)
        fruitless = True
    if not _folders:
        return 0  # Hydra was told by hydra.mode to run one job
    records = read_jobs(_folders[-1])
    show_sweep(records, [{EXPERIMENT: note.get(EXPERIMENT)} for note in read_notes(_folders[-1])])
    for sentence in best(_folders[-1]):
        print_sentence(printable(sentence), stream=sys.stdout)
    if not records:
        print_sentence("error: the sweep has no job: a pattern fits no name", stream=sys.stderr)
    if fruitless or not records or any(record.status in ("failed", "incomplete") for record in records):
        return 1
    return WAITING if any(record.status == "waiting" for record in records) else 0


def run_job(verb: str, config: dict[str, Any]) -> Any:
    """Run one job; a failure is recorded with its reason and does not stop the others.

    Give the numbers that the sweeper asks for; None where it asks for none, or there are none.
    """
    note: dict[str, Any]
    wanted, asked = objectives(config), None
    config = {key: value for key, value in config.items() if key != OBJECTIVE}
    job = this_job()
    hide_secrets(job.folder)
    print(": ".join(filter(None, (job.title, job.label))), flush=True)
    if config.get("fresh") is None:
        config = {**config, "fresh": False}  # a sweep that is started again runs what is missing
    try:
        record: Record = make_verb(verb, config).act(config)
        note = {"folder": record.folder, "kept": record.kept}
        line = f"{'kept' if record.kept else record.status}: {record.folder}"
        asked, line = _asked(record, wanted, line)
    except Exception as error:
        if os.environ.get("FACEPORT_DEBUG"):
            raise
        note = _failed(config, error)
        line = f"failed: {error}"
    job.write(note)
    left = job.left()
    print(f"{job.title}: {line}{f' ({left})' if left else ''}", flush=True)
    return asked


def hide_secrets(folder: Path) -> None:
    """Take passwords and tokens out of the addresses in what Hydra keeps of a sweep's command line."""
    path = folder / KEPT
    with suppress(OSError):  # a sweeper that keeps nothing, or one that has its files elsewhere
        text = path.read_text(encoding="utf-8")
        if redacted(text) != text:
            write_atomically(path, redacted(text))


def _asked(record: Record, wanted: list[str], outcome: str) -> tuple[Any, str]:
    """Give the numbers that a sweeper asks for, and what is said of the job; without them it is no trial."""
    if not wanted:
        return None, outcome
    try:
        found = values(record, wanted)
    except FaceportError as error:
        return None, f"{outcome}; no trial: {error}"
    numbers = found if isinstance(found, list) else [found]
    return (
        found,
        f"{outcome} ({', '.join(f'{name} {one:.4g}' for name, one in zip(wanted, numbers, strict=True))})",
    )


def _failed(config: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    try:
        if not isinstance(error, BusyError):  # else the record of that folder is somebody else's to write
            return {"folder": record_failure(config, error).folder}
    except (FaceportError, OSError):  # a full disk is no reason to lose the reason
        pass
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
