"""Observers of the engine: recording, timing and live progress are equals."""

from __future__ import annotations

from collections.abc import Sequence

from faceport.types import Tensors


class Watch:
    """See what the engine does, from any of its threads; override what is of interest."""

    def call(self, network: str, inputs: Tensors) -> None:
        """See a call before it is run."""

    def batch(self, network: str, seconds: float, rows: int) -> None:
        """See that a network ran: how long, on how many rows."""

    def sample(self, name: str, stages: Sequence[tuple[str, float]]) -> None:
        """See the seconds that a finished sample spent in each stage."""
