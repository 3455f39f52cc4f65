"""How long a picture takes, stage by stage: the run measured it, this makes numbers of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from faceport.api import Metric, Scored
from faceport.errors import FaceportError

TOTAL = "total"  # the stage from asking for a picture to its faces, waiting included
TIMES = ("mean_ms", "p50_ms", "p90_ms", "p99_ms")


class Latency(Metric):
    """Report the time of each stage, of the whole, and pictures per second."""

    def compute(self, items: Iterable[Scored]) -> Mapping[str, Any]:
        """Give nothing: predictions do not say how long they took."""
        return {}

    def of_run(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the times of the pictures that this run, or its last continuation, went through."""
        timing = record.get("timing")
        if timing is None:
            raise FaceportError(
                "metric latency: these predictions come without the record of their run; name the folder of "
                "one: predictions=runs/NAME"
            )
        stages = {name: stage_times(stage) for name, stage in timing["stages"].items()}
        whole = stages.pop(TOTAL, {})
        speed = timing["samples_per_second"]
        return {
            **{name: whole[name] for name in TIMES if whole},
            **({"pictures_per_second": float(speed)} if speed else {}),
            "pictures": timing["samples"],
            "stages": stages,
        }


def stage_times(stage: Mapping[str, float]) -> dict[str, float]:
    """Pick the times per run of a stage, in milliseconds, and the mean time per item of its batches."""
    per_item = 1e3 * stage["total_s"] / max(stage["items"], 1)
    return {**{name: stage[name] for name in TIMES}, "mean_ms_per_item": round(per_item, 4)}
