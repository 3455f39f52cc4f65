"""What a session answers, held against what the network declares: a target that errs is named."""

from __future__ import annotations

import numpy as np

from faceport.api import Network, Session
from faceport.errors import FaceportError
from faceport.types import Array, Tensors, TensorSpec


def check_outputs(network: Network, session: Session, rows: int, outputs: Tensors) -> None:
    """Refuse outputs of other names, rows, shapes or types than declared, and numbers that are not finite."""
    for spec in network.outputs:
        wrong = _problem(spec, rows, outputs.get(spec.name), outputs)
        if wrong:
            runtime = session.facts.get("runtime", type(session).__name__)
            raise FaceportError(
                f"{runtime} answers wrongly for network '{network.name}', a batch of {rows}: {wrong}. "
                "This is a fault of the target (or of what it compiled), not of the model: try another, "
                "or faceport diagnose"
            )


def _problem(spec: TensorSpec, rows: int, value: Array | None, outputs: Tensors) -> str:
    if value is None:
        return f"there is no output '{spec.name}', only {', '.join(map(repr, outputs)) or 'none'}"
    if len(value.shape) != len(spec.shape) or value.shape[0] != rows:
        wanted = "x".join(map(str, (rows, *spec.shape[1:])))
        return f"output '{spec.name}' has shape {'x'.join(map(str, value.shape))}, not {wanted}"
    for size, declared in zip(value.shape[1:], spec.shape[1:], strict=True):
        if not isinstance(declared, str) and size != declared:
            return f"output '{spec.name}' has shape {value.shape}, declared is {spec.shape}"
    if value.dtype != spec.dtype:
        return f"output '{spec.name}' holds {value.dtype}, not {spec.dtype}"
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        return f"output '{spec.name}' holds numbers that are not finite (NaN or infinity)"
    return ""
