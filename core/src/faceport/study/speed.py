"""Whether a lower precision is worth it on this machine: the same network in fp32 beside it, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

from faceport.api import Session
from faceport.artifacts.builder import Built
from faceport.engine.ledger import is_away
from faceport.runs.plan import Plan
from faceport.types import Tensors

ROUNDS = 9
SHORTEST = 0.01  # seconds of a round; quicker networks are run several times


def compare_with_float(plan: Plan, built: Built) -> dict[str, float]:
    """Give how many times as fast as fp32 each network is; nothing where no time counts."""
    if plan.target.precision == "fp32" or plan.bundle or is_away(built.sessions):
        return {}
    if any(session.facts.get("simulated") for session in built.sessions.values()):
        return {}
    builder = plan.with_target(plan.target.with_options(precision="fp32")).builder(plan.first_questions())
    reference = builder.build()
    try:
        return {
            name: round(
                ratio(reference.sessions[name], built.sessions[name], builder.trials.inputs(network)), 3
            )
            for name, network in plan.model.networks.items()
        }
    finally:
        reference.close()


def slow_notes(precision: str, ratios: Mapping[str, float]) -> list[str]:
    """Say which networks gain no speed by a lower precision."""
    return [
        f"{precision} is not faster than fp32 for network '{name}' on this machine: {times:.2f} times"
        for name, times in ratios.items()
        if times <= 1
    ]


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
