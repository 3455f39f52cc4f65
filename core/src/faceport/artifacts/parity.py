"""Compiled networks held against their fp32 reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faceport.api import Away, Network, Session, Target
from faceport.artifacts.trials import Trials
from faceport.errors import FaceportError, MissingError
from faceport.networks.parity import compare_calls, worst
from faceport.networks.reference import reference_session
from faceport.targets.precision import allowed_error


def measure_parity(network: Network, session: Session, trials: Trials, target_name: str) -> dict[str, Any]:
    """Measure a session against the fp32 reference, on what the model asks of the network."""
    if isinstance(session, Away):
        return {"skipped": "it runs on another machine"}
    try:
        reference = reference_session(network)
    except MissingError as error:
        return {"skipped": str(error)}
    calls = trials.inputs(network)
    wanted = [reference.run(inputs) for inputs in calls]
    try:
        outputs = compare_calls(wanted, [session.run(inputs) for inputs in calls])
    except ValueError as error:
        raise FaceportError(f"{target_name} answers wrongly for '{network.name}': {error}") from error
    inputs = "recorded" if trials.calls(network) else "drawn"
    return {"calls": len(calls), "inputs": inputs, "outputs": outputs}


def accept(
    network: Network, parity: Mapping[str, Any], target: Target, target_name: str, tolerance: float
) -> None:
    """Refuse a compiled network that is too far from the reference."""
    if "skipped" in parity:
        return
    output, error = worst(parity["outputs"])
    allowed = allowed_error(target, tolerance)
    if not error <= allowed:
        raise FaceportError(
            f"{target_name} runs network '{network.name}' too far from the reference: output "
            f"'{output}' is off by {error:.2g} of its spread, allowed is {allowed:g} (target.tolerance)"
        )
