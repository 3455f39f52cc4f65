"""How far two runs of one network are apart, output by output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from faceport.types import Array, Tensors

ENOUGH = 16  # numbers, to call an output stuck


def compare(reference: Array, found: Array) -> dict[str, float]:
    """Measure an output against its reference: largest error, the same over the spread, cosine, SNR in dB."""
    if reference.shape != found.shape:
        raise ValueError(f"shapes differ: {found.shape}, the reference has {reference.shape}")
    a, b = (np.asarray(array, np.float64).ravel() for array in (reference, found))
    error = b - a
    spread = float(a.std()) or float(np.abs(a).max(initial=0.0)) or 1.0
    power, noise = float(a @ a), float(error @ error)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    largest = float(np.abs(error).max(initial=0.0))
    return {
        "max_abs": largest,
        "max_rel": largest / spread,
        "cosine": float(a @ b) / norms if norms else 1.0,
        "snr_db": float(10 * np.log10(power / noise)) if noise and power else 200.0,
    }


def compare_calls(reference: Sequence[Tensors], found: Sequence[Tensors]) -> dict[str, dict[str, float]]:
    """Measure every output over several calls; the worst call counts.

    `varies` is 0 for an output that is one and the same number wherever the reference has many.
    """
    report: dict[str, dict[str, float]] = {}
    values: dict[str, list[tuple[Array, Array]]] = {}
    for wanted, got in zip(reference, found, strict=True):
        for name, array in wanted.items():
            if name not in got:
                raise ValueError(f"output '{name}' is missing; there are {', '.join(got)}")
            one = compare(array, got[name])
            worst = report.setdefault(name, one)
            for key, value in one.items():
                pick = max if key.startswith("max") else min
                worst[key] = pick(worst[key], value)
            values.setdefault(name, []).append((array, got[name]))
    for name, pairs in values.items():
        report[name]["varies"] = float(not _stuck(pairs))
    return report


def _stuck(pairs: Sequence[tuple[Array, Array]]) -> bool:
    """Tell whether what was found is one number, over enough numbers to be no chance."""
    wanted, got = (np.concatenate([np.ravel(pair[side]) for pair in pairs]) for side in (0, 1))
    return wanted.size >= ENOUGH and bool(np.ptp(got) == 0 and np.ptp(wanted) > 0)


def worst(report: Mapping[str, Any]) -> tuple[str, float]:
    """Find the output with the largest error relative to its spread."""
    return max(((name, values["max_rel"]) for name, values in report.items()), key=lambda pair: pair[1])
