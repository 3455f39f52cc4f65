"""How long a picture takes in a loaded engine, stage by stage: the run measured it, this sorts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from faceport.api import Metric, Scored
from faceport.errors import FaceportError

VERSION = 2  # of the protocol: raised when the same run and options give another number
# Stages that are all others together: without the waiting for other pictures, and with it.
WHOLE = ("service_time", "time_in_engine")
BEFORE = "draw"  # a stage that is over before the clock runs
TIMES = ("mean_ms", "p50_ms", "p90_ms", "p99_ms")


class Latency(Metric):
    """Report the time of each stage, of the whole with and without waiting, and pictures per second."""

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
        stand_in = simulated(record)
        if stand_in:
            return {"protocol": f"v{VERSION}, not measured: {stand_in} stood in for the hardware"}
        stages = {name: stage_times(stage) for name, stage in timing["stages"].items() if name != BEFORE}
        wholes = {name: stages.pop(name) for name in WHOLE if name in stages}
        speed, loaded = timing["samples_per_second"], timing.get("loaded") or {}
        return {
            **({"protocol": f"v{VERSION}, {load_words(loaded)}"} if loaded else {}),
            **{f"{name}_{key}": whole[key] for name, whole in wholes.items() for key in TIMES & whole.keys()},
            **({"pictures_per_second": float(speed)} if speed else {}),
            "pictures": timing["samples"],
            "loaded": loaded,
            "stages": stages,
        }


def simulated(record: Mapping[str, Any]) -> str:
    """Say what stood in for hardware, where something did."""
    facts = (artifact.get("runs_as") or {} for artifact in (record.get("artifacts") or {}).values())
    return next((str(one["simulated"]) for one in facts if one.get("simulated")), "")


def stage_times(stage: Mapping[str, Any]) -> dict[str, float]:
    """Pick the times per run of a stage, in milliseconds, and the mean time per item of its batches.

    Percentiles of too few runs are not there.
    """
    per_item = 1e3 * stage["total_s"] / max(stage["items"], 1)
    times = {name: stage[name] for name in TIMES if stage.get(name) is not None}
    return {**times, "mean_ms_per_item": round(per_item, 4)}


def load_words(loaded: Mapping[str, Any]) -> str:
    """Say how much the engine had in hand at once."""
    threads = loaded.get("threads")
    words = [
        f"{loaded[key]} {words}"
        for key, words in (("workers", "workers"), ("in_flight", "in flight"), ("batch_size", "in a batch"))
        if key in loaded
    ]
    return ", ".join([*words, *([] if threads is None else [f"threads={threads}"])])
