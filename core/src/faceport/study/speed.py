"""Whether a lower precision is worth it on this machine: the same network in fp32 beside it, in one run."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence

from faceport.api import Session
from faceport.artifacts.builder import Built
from faceport.runs.plan import Plan
from faceport.types import Tensors

ROUNDS = 9
SHORTEST = 0.01  # seconds of a round; quicker networks are run several times


def compare_with_float(plan: Plan, built: Built) -> dict[str, float]:
    """Give how many times as fast as fp32 each network is; nothing where fp32 is what runs."""
    assert plan.model is not None and plan.target is not None
    precision = plan.target.precision
    if precision == "fp32" or plan.bundle:
        return {}
    options = dataclasses.replace(plan.target.options, precision="fp32")
    plain = dataclasses.replace(plan, target=type(plan.target)(options))
    builder = plain.builder(plain.first_questions())
    reference = builder.build()
    try:
        found = {
            name: round(ratio(reference.sessions[name], built.sessions[name], builder.inputs(network)), 3)
            for name, network in plan.model.networks.items()
        }
    finally:
        reference.close()
    for name, times in found.items():
        if times <= 1:
            plan.notes.append(
                f"{precision} is not faster than fp32 for network '{name}' on this machine: {times:.2f} times"
            )
    return found


def ratio(slow: Session, fast: Session, calls: Sequence[Tensors]) -> float:
    """Measure how many times as fast the second session is; both take turns."""
    repeats = max(1, round(SHORTEST / max(_seconds(fast, calls, 1), 1e-6)))
    _seconds(slow, calls, 1)
    pairs = [(_seconds(slow, calls, repeats), _seconds(fast, calls, repeats)) for _ in range(ROUNDS)]
    return statistics.median(one / other for one, other in pairs)


def _seconds(session: Session, calls: Sequence[Tensors], repeats: int) -> float:
    before = time.perf_counter()
    for _ in range(repeats):
        for inputs in calls:
            session.run(inputs)
    return time.perf_counter() - before
