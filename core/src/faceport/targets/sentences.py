"""The same words of every target for what cannot be compiled, opened or run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from faceport.api import Artifact, Network
from faceport.errors import FaceportError
from faceport.targets.sizes import mismatch
from faceport.types import Tensors

_NOISE = re.compile(
    r"^(Exception from |Check .* failed at |Traceback |\s*File |\[ONNXRuntimeError\] : \d+ : )"
)


def cannot_open(runtime: str, version: str, artifact: Artifact, error: object) -> FaceportError:
    """Explain a compiled network that its runtime does not take."""
    builder_version = str(artifact.manifest.get("runs_as", {}).get("version", version))
    other = f"It was compiled with {runtime} {builder_version}. " if builder_version != version else ""
    return FaceportError(
        f"{runtime} {version} cannot open {artifact.path}: {reason(error)}. {other}"
        "If it is damaged, delete it and compile it again"
    )


def cannot_compile(runtime: str, version: str, network: Network, error: object) -> FaceportError:
    """Explain a network that a compiler does not take."""
    return FaceportError(f"{runtime} {version} cannot compile network '{network.name}': {reason(error)}")


def cannot_run(runtime: str, network: Network, inputs: Tensors, error: object) -> FaceportError:
    """Explain inputs that a compiled network does not take."""
    return FaceportError(
        f"{runtime} cannot run network '{network.name}': {mismatch(network, inputs) or reason(error)}"
    )


def need_calls(calibration: Iterable[Tensors], network: Network) -> Sequence[Tensors]:
    """Give the recorded calls that int8 finds its ranges on, or say that there are none."""
    calls = calibration if isinstance(calibration, Sequence) else list(calibration)  # it may lie on disk
    if not calls:
        raise FaceportError(
            f"int8 needs recorded calls of network '{network.name}' and none were made: choose pictures with "
            "faces to calibrate on"
        )
    return calls


def reason(error: object) -> str:
    """Pick what a person can act on from a runtime's message of many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not _NOISE.match(line)] or lines or [type(error).__name__]
    listed = [line for line in telling if line.startswith("-- ")]  # below headings that say nothing
    kept = next((line for line in listed or telling if not line.endswith(":")), telling[0])
    return kept.removeprefix("-- ").rstrip(".")[:300]
