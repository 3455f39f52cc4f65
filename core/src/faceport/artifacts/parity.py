"""Compiled networks held against their fp32 reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from faceport.api import Away, Network, Session, Target
from faceport.artifacts.trials import Trials
from faceport.errors import FaceportError, MissingError
from faceport.networks.parity import compare_calls, worst
from faceport.networks.reference import reference_session

NONSENSE = 3.0  # dB; below it half of what comes out is noise


def measure_parity(network: Network, session: Session, trials: Trials, target_name: str) -> dict[str, Any]:
    """Measure a session against the fp32 reference, on what the model asks of the network."""
    if isinstance(session, Away) and not session.carries:
        return {"skipped": "it runs on another machine"}
    try:
        reference = reference_session(network)
    except MissingError as error:
        return {"skipped": str(error)}
    calls = trials.inputs(network)
    wanted = [reference.run(inputs) for inputs in calls]
    try:
        answers = (
            session.run_many(calls) if isinstance(session, Away) else [session.run(one) for one in calls]
        )
        outputs = compare_calls(wanted, answers)
    except ValueError as error:
        raise FaceportError(f"{target_name} answers wrongly for '{network.name}': {error}") from error
    inputs = "recorded" if trials.calls(network) else "drawn"
    return {"calls": len(calls), "inputs": inputs, "outputs": outputs}


def accept(
    network: Network, parity: Mapping[str, Any], target: Target, target_name: str, tolerance: float
) -> None:
    """Refuse a compiled network that is too far from the reference.

    fp32 is held to a tolerance; what a lower precision costs is what a run is there to measure, so only
    nonsense is refused, unless target.tolerance asks for more.
    """
    if "skipped" in parity or math.isinf(tolerance):
        return
    given = target.knobs.tolerance
    if target.precision != "fp32" and given is None:
        _refuse_nonsense(network, parity["outputs"], target, target_name)
        return
    output, error = worst(parity["outputs"])
    allowed = tolerance if given is None else given
    if not error <= allowed:
        raise FaceportError(
            f"{target_name} runs network '{network.name}' too far from the reference: output "
            f"'{output}' is off by {error:.2g} of its spread, allowed is {allowed:g} "
            f"({'tolerance' if given is None else 'target.tolerance'})"
        )


def _refuse_nonsense(
    network: Network, outputs: Mapping[str, Mapping[str, float]], target: Target, target_name: str
) -> None:
    for name, values in outputs.items():
        snr, varies = values["snr_db"], values.get("varies", 1.0)
        if snr >= NONSENSE and varies:
            continue
        what = f"has a signal-to-noise ratio of {snr:.1f} dB" if varies else "never changes"
        precision = target.precision
        raise FaceportError(
            f"{target_name} makes nonsense of network '{network.name}' in {precision}: output '{name}' "
            f"{what}. See which node does it: faceport diagnose model=... target={target_name} "
            f"target.precision={precision}; keep the worst nodes in float by itself: "
            "target.accuracy_budget=0.01; or see the numbers all the same: target.tolerance=inf"
        )
