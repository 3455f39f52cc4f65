"""One sample's generator, advanced by one step: what it asks for, or what it answers in the end.

Nothing here runs a network. Whoever has the outputs of the calls that were asked for, from a session of this
process, from a file that another machine wrote or from a ledger of earlier runs, sends them and gets the next
step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faceport.api import Steps
from faceport.errors import FaceportError, suggest
from faceport.types import Call, Faces, Tensors


@dataclass(frozen=True, eq=False)
class Asked:
    """Calls that a generator waits for."""

    calls: Sequence[Call]
    single: bool  # whether it yielded one call, and wants one answer, or a list

    def answer(self, outputs: Sequence[Tensors]) -> Any:
        """Shape the outputs of the calls, in their order, as the generator wants to be sent them."""
        return outputs[0] if self.single else list(outputs)


@dataclass(frozen=True, eq=False)
class Answered:
    """What a generator returned."""

    value: Any


def advance(steps: Steps, answer: Any = None) -> Asked | Answered:
    """Send a generator its answer (None at the start) and give its next step."""
    try:
        calls = steps.send(answer)
    except StopIteration as stop:
        return Answered(stop.value)
    listed = [calls] if isinstance(calls, Call) else calls
    if not isinstance(listed, list | tuple) or not listed or not all(isinstance(c, Call) for c in listed):
        raise FaceportError(f"predict() must yield a Call or a list of Calls, not {calls!r}")
    return Asked(listed, isinstance(calls, Call))


def check_calls(calls: Sequence[Call], networks: Mapping[str, Any]) -> None:
    """Refuse calls of networks that there are not, and calls whose inputs do not fit each other."""
    for call in calls:
        if call.network not in networks:
            raise FaceportError(
                f"predict() calls a network '{call.network}'. {suggest(call.network, networks)}"
            )
        if not call.size or len({len(value) for value in call.inputs.values()}) != 1:
            sizes = {name: len(value) for name, value in call.inputs.items()}
            raise FaceportError(
                f"a Call of '{call.network}' needs the same number of rows, at least one: {sizes}"
            )


def faces_of(value: Any) -> Faces:
    """Check what predict() returned."""
    if not isinstance(value, Faces):
        raise FaceportError(f"predict() must return Faces, not {type(value).__name__}")
    return value
