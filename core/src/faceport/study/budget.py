"""Keep the fewest nodes in float so that int8 stays within a budget of accuracy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faceport.api import Target
from faceport.errors import FaceportError
from faceport.study.diagnose import NodeReport

Measure = Callable[[Target], Mapping[str, float]]  # the numbers that a target gives


@dataclass(frozen=True)
class Found:
    """The target that stays within the budget, and what it took."""

    target: Target
    excluded: tuple[str, ...]  # NETWORK:NODE
    baseline: Mapping[str, float]  # in float
    plain: Mapping[str, float]  # everything in int8
    kept: Mapping[str, float]  # with the exclude list
    candidates: int  # nodes that could have been kept in float
    trials: int
    within: bool

    def facts(self) -> dict[str, Any]:
        """Describe the search for a record."""
        return {
            "excluded": list(self.excluded),
            "candidates": self.candidates,
            "trials": self.trials,
            "float": dict(self.baseline),
            "int8": dict(self.plain),
            "kept": dict(self.kept),
            "within": self.within,
        }


def search(
    target: Target, budget: float, measure: Measure, rank: Callable[[Target], Sequence[NodeReport]]
) -> Found:
    """Find the shortest head of the ranking that, kept in float, brings every number within the budget.

    More nodes in float are taken to do no harm, so the length is found by bisection.
    """
    baseline = measure(_with(target, precision="fp32"))
    if not any(map(math.isfinite, baseline.values())):
        watched = f" ({', '.join(baseline)})" if baseline else ""
        raise FaceportError(
            f"accuracy_budget: there is nothing to watch, fp32 gives no number{watched} on these pictures"
        )
    plain = measure(target)
    if loss(baseline, plain) <= budget:
        return Found(target, (), baseline, plain, plain, 0, 2, True)
    already = list(target.options.exclude)
    ranked = [f"{r.network}:{r.node}" for r in sorted(rank(target), key=lambda r: -(r.caused or 0))]
    ranked = [name for name in ranked if name not in already]
    trials: dict[int, tuple[Target, Mapping[str, float]]] = {0: (target, plain)}

    def fits(count: int) -> bool:
        if count not in trials:
            tried = _with(target, exclude=[*already, *ranked[:count]])
            trials[count] = (tried, measure(tried))
        return loss(baseline, trials[count][1]) <= budget

    low, high = 0, min(1, len(ranked))  # low does not fit
    while high < len(ranked) and not fits(high):
        low, high = high, min(2 * high, len(ranked))
    within = fits(high)
    while within and high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    chosen, numbers = trials[high]
    kept = tuple(ranked[:high])
    return Found(chosen, kept, baseline, plain, numbers, len(ranked), len(trials) + 1, within)


def loss(baseline: Mapping[str, float], found: Mapping[str, float]) -> float:
    """Measure how far the worst of the numbers is from what float gives; one that is lost is far."""
    apart = [
        abs(found.get(name, math.inf) - value) for name, value in baseline.items() if math.isfinite(value)
    ]
    return max(math.inf if math.isnan(one) else one for one in apart)


def _with(target: Target, **options: Any) -> Target:
    """Copy a target with other options; with every node in float it may well report another precision."""
    if hasattr(target.options, "allow_fallback"):
        options["allow_fallback"] = True
    return type(target)(dataclasses.replace(target.options, **options))
