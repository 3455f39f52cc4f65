"""How sure times are: the durations of a run drawn again, out of the histogram that its record holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from faceport.engine.timing import SERVICE, SHORTEST, STEP
from faceport.runs.record import Record

ROUNDS = 500
FEWEST = 20  # durations
SHARES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}


def time_intervals(record: Record, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Give the 95 % interval of each latency, over pictures: a machine that drifts adds to it."""
    stage: Mapping[str, Any] = {} if record.simulated else record.timing.stages.get(SERVICE) or {}
    buckets = sorted((int(at), int(count)) for at, count in (stage.get("buckets") or {}).items())
    total = sum(count for _, count in buckets)
    if total < FEWEST:
        return {}
    values = np.array([1e3 * SHORTEST * math.exp((at + 0.5) * STEP) for at, _ in buckets])
    weights = np.array([count for _, count in buckets]) / total
    drawn = np.random.default_rng(seed).multinomial(total, weights, ROUNDS)  # (rounds, buckets)
    reached = np.cumsum(drawn, axis=1)
    found = {"mean_ms": drawn @ values / total}
    for name, share in SHARES.items():
        if stage.get(name) is not None:
            found[name] = values[(reached >= share * total).argmax(axis=1)]
    ends = {name: np.quantile(one, [0.025, 0.975]) for name, one in found.items()}
    return {f"latency.{name}": (float(low), float(high)) for name, (low, high) in ends.items()}
