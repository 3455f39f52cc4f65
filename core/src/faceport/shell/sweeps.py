"""Jobs of a sweep: each leaves one line in a journal, whether it worked or not."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceport.errors import FaceportError
from faceport.runs.folder import record_failure
from faceport.runs.record import FILE, read_record
from faceport.verbs.run import run

JOURNAL = "FACEPORT_JOURNAL"  # the environment carries it to the processes of a parallel launcher


def start_journal() -> Path:
    """Begin an empty journal that the jobs of this process and its children will find."""
    handle, name = tempfile.mkstemp(prefix="faceport-sweep-", suffix=".jsonl")
    os.close(handle)
    os.environ[JOURNAL] = name
    return Path(name)


def run_job(config: dict[str, Any]) -> None:
    """Run one job; a failure is recorded with its reason and does not stop the others."""
    try:
        record = run(config, keep_finished=True)
        line: dict[str, Any] = {"folder": record["folder"], "kept": record.get("kept", False)}
        print(f"{'kept' if line['kept'] else 'done'}: {record['folder']}", flush=True)
    except Exception as error:
        if os.environ.get("FACEPORT_DEBUG"):
            raise
        line = _failed(config, error)
        print(f"failed: {line['record']['reason']}", flush=True)
    with Path(os.environ[JOURNAL]).open("a") as journal:
        journal.write(json.dumps(line, default=str) + "\n")


def _failed(config: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    try:
        return {"record": record_failure(config, error)}
    except (FaceportError, OSError):  # a full disk is no reason to lose the reason
        return {"record": {"status": "failed", "reason": str(error), "config": config}}


def read_jobs(journal: Path) -> list[Mapping[str, Any]]:
    """Read the records of all jobs, in the order in which they ended."""
    records: list[Mapping[str, Any]] = []
    for text in journal.read_text().splitlines():
        line = json.loads(text)
        record = line.get("record") or read_record(Path(line["folder"]) / FILE) or {}
        records.append({**record, "folder": line.get("folder"), "kept": line.get("kept", False)})
    journal.unlink()
    return records
