"""Whether a measurement is to be believed, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence

from faceport_bench.scenario import FEWEST_TURNS, Limits, Outcome
from faceport_bench.statistics import mean_interval, rise


def reasons_against(outcome: Outcome, limits: Limits, pulses: Sequence[float] = ()) -> list[str]:
    """List why a measurement is INVALID; empty where nothing stands against it.

    Pulses are durations of one small piece of work, the same each time, done between the turns: where it
    takes longer and longer, it is the machine that slows down, not what is measured.
    """
    reasons = [*outcome.reasons, *_too_short(outcome, limits)]
    slowed = rise(pulses)
    if slowed > 1 + limits.drift:
        reasons.append(
            f"throttled, or others were busy: the same small piece of work took {slowed:.2f} times as long "
            "at the end as at the beginning"
        )
    if outcome.steady and not outcome.paced:
        reasons += _too_noisy(outcome, limits)
    return reasons


def _too_short(outcome: Outcome, limits: Limits) -> list[str]:
    seconds = sum(trial.seconds for trial in outcome.trials)
    queries = sum(len(trial.answers) for trial in outcome.trials)
    if outcome.steady and seconds < limits.seconds:
        return [f"too short: {seconds:.2f} s, at least {limits.seconds:g} s are needed"]
    if queries < limits.count and outcome.steady:
        return [f"too short: {queries} queries, at least {limits.count} are needed"]
    return []


def _too_noisy(outcome: Outcome, limits: Limits) -> list[str]:
    """Hold the interval of the mean, over turns, against what is allowed; then the end against the start."""
    costs = [trial.cost for trial in outcome.trials]
    mean, interval = mean_interval(costs)
    if interval is None or len(costs) < FEWEST_TURNS:
        return [f"too short: {len(costs)} turns, at least {FEWEST_TURNS} are needed to tell how sure it is"]
    half = (interval[1] - interval[0]) / 2 / mean
    if half > limits.noise:
        return [f"too noisy: the mean is known to ±{half:.1%}, ±{limits.noise:.0%} is allowed"]
    slowed = rise(costs)
    if not 1 / (1 + limits.drift) <= slowed <= 1 + limits.drift:
        return [f"drifted: the last third of the turns took {slowed:.2f} times as long as the first third"]
    return []
