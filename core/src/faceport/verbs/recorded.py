"""What verbs that end in a record have in common."""

from __future__ import annotations

from pathlib import Path

from faceport.runs.record import FILE, Record
from faceport.verb import Verb

WAITING = 3  # exit code of a run that goes on once another machine has done its work
EXIT_CODES = {"done": 0, "incomplete": 1, "failed": 1, "waiting": WAITING}


class Recorded(Verb):
    """A verb whose outcome is a record."""

    def show(self, outcome: Record) -> int:
        """Show the record as tables."""
        from faceport.verbs.show.terminal import show_run

        show_run(outcome)
        return EXIT_CODES[outcome.status]


def keep(record: Record, folder: Path, second: Path | None) -> Record:
    """Write a record into the folder of its run, and where record=FILE asked for it too."""
    record.write(folder / FILE)
    if second:
        record.write(second)
    return record
