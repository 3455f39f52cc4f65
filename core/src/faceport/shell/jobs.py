"""What a sweep says of its jobs while they run: which of how many, what differs, how long it will take."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from faceport.files import write_atomically

PLAN, JOBS = "sweep.json", "jobs"  # in the folder of a sweep
EXPERIMENT = "experiment"
BASIC = "basic"  # the sweeper that runs every combination; only it is known beforehand


@dataclass(frozen=True)
class Job:
    """One job of a sweep."""

    number: int  # from 1
    total: int | None  # None: the sweeper decides on the way
    label: str  # what tells it from the others
    experiment: str | None
    begun: float  # seconds since the epoch, of the sweep
    folder: Path  # of the sweep

    @property
    def title(self) -> str:
        """Say which of how many."""
        return f"job {self.number} of {self.total}" if self.total else f"job {self.number}"

    def write(self, note: Mapping[str, Any]) -> None:
        """Leave a note in the sweep's folder, where whoever began the sweep finds it."""
        content = {"experiment": self.experiment, **note}
        name = f"{self.number - 1:06}.json"
        write_atomically(self.folder / JOBS / name, json.dumps(content, default=str) + "\n")

    def left(self) -> str:
        """Say how long the other jobs will take, by those that really ran; empty where nobody knows."""
        notes = read_notes(self.folder)
        ran = sum(not note.get("kept") for note in notes)
        if not self.total or not ran or len(notes) >= self.total:
            return ""
        return f"about {duration((time.time() - self.begun) / ran * (self.total - len(notes)))} left"


def plan_jobs(config: DictConfig) -> Path:
    """Write down, before the first job, what is swept over; give the folder of the sweep."""
    folder = Path(config.hydra.sweep.dir)
    swept = _swept(list(config.hydra.overrides.task))
    basic = config.hydra.runtime.choices.get("hydra/sweeper") in (None, BASIC)
    params = config.hydra.sweeper.get("params") or {}
    total = None if params or not basic else _count(swept)
    content = {"total": total, "keys": [*(one.key_or_group for one in swept), *params], "begun": time.time()}
    write_atomically(folder / PLAN, json.dumps(content) + "\n")
    return folder


def this_job() -> Job:
    """Describe the job that runs in this process."""
    hydra = HydraConfig.get()
    folder = Path(hydra.sweep.dir)
    plan = json.loads((folder / PLAN).read_text())
    return Job(
        number=int(hydra.job.num) + 1,
        total=plan["total"],
        label=label(hydra.overrides.task, plan["keys"]),
        experiment=hydra.runtime.choices.get(EXPERIMENT),
        begun=float(plan["begun"]),
        folder=folder,
    )


def read_notes(folder: Path) -> list[dict[str, Any]]:
    """Read what the jobs of a sweep left, in their order."""
    return [json.loads(path.read_text()) for path in sorted((folder / JOBS).glob("*.json"))]


def label(overrides: Sequence[str], keys: Sequence[str]) -> str:
    """Name a job by the values of what is swept over; numbers and switches do not speak for themselves."""
    values = {key.lstrip("+~"): value for key, _, value in (one.partition("=") for one in overrides)}
    return " ".join(_worded(key, values[key]) for key in keys if key in values)


def _worded(key: str, value: str) -> str:
    speaks = value[:1].isalpha() and value not in ("true", "false", "null")
    return value if speaks else f"{key.rpartition('.')[2]}={value}"


def duration(seconds: float) -> str:
    """Write a duration as a reader would say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _swept(words: Sequence[str]) -> list[Override]:
    try:
        return [one for one in OverridesParser.create().parse_overrides([*words]) if one.is_sweep_override()]
    except HydraException:
        return []  # Hydra itself says what is wrong


def _count(swept: Sequence[Override]) -> int | None:
    """Count the combinations; None where that needs more than the words themselves, as glob(*) does."""
    try:
        return math.prod(len([*one.sweep_iterator()]) for one in swept)
    except (HydraException, AssertionError, ValueError, TypeError, AttributeError):
        return None
