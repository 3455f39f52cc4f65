"""Calls into batches: rows of many calls share a run of the network, and find their way back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from faceport.types import Array, Call, Tensors

ROWS = 128  # of one run, unless more samples are to share it: enough for any kernel, bounded for any crowd
Key = tuple[Any, ...]  # network and shape of one item: what may share a batch


def batch_key(call: Call) -> Key:
    """Name what calls must have in common to share a batch."""
    tensors = sorted((name, value.shape[1:], value.dtype.str) for name, value in call.inputs.items())
    return (call.network, *tensors)


@dataclass(eq=False)
class Pending:
    """One call that waits for its outputs, which may arrive in pieces."""

    call: Call
    sample: Any  # whose call it is
    slot: int  # among the calls of its step
    taken: int = 0  # rows that were handed to batches
    missing: int = 0  # rows whose outputs have not arrived
    pieces: list[tuple[int, Tensors]] = field(default_factory=list)

    def outputs(self) -> Tensors:
        """Put the pieces together, in the order of the rows."""
        if len(self.pieces) == 1:
            return self.pieces[0][1]
        ordered = [tensors for _, tensors in sorted(self.pieces, key=lambda piece: piece[0])]
        return {name: np.concatenate([piece[name] for piece in ordered]) for name in ordered[0]}


@dataclass(frozen=True, eq=False)
class Rows:
    """A slice of one pending call."""

    pending: Pending
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one or more calls that run together."""

    network: str
    rows: tuple[Rows, ...]

    @property
    def size(self) -> int:
        """Number of items."""
        return sum(rows.stop - rows.start for rows in self.rows)

    def inputs(self) -> dict[str, Array]:
        """Stack the rows; a batch that is one whole call is passed on without a copy."""
        parts = [
            {name: value[rows.start : rows.stop] for name, value in rows.pending.call.inputs.items()}
            for rows in self.rows
        ]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def deliver(self, outputs: Tensors) -> list[Pending]:
        """Hand each row's outputs back; give the calls that are complete now."""
        complete, at = [], 0
        for rows in self.rows:
            size = rows.stop - rows.start
            piece = {name: value[at : at + size] for name, value in outputs.items()}
            rows.pending.pieces.append((rows.start, piece))
            rows.pending.missing -= size
            at += size
            if not rows.pending.missing:
                complete.append(rows.pending)
        return complete


class Queue:
    """Calls of one key that wait for a batch; the first to come is the first to go."""

    def __init__(self) -> None:
        self._waiting: deque[Pending] = deque()
        self.size = self.samples = 0  # rows, and of how many samples

    def put(self, call: Call, sample: Any, slot: int = 0) -> None:
        """Add a call; those of one sample come one after the other."""
        self.samples += not self._waiting or self._waiting[-1].sample is not sample
        self._waiting.append(Pending(call, sample, slot, missing=call.size))
        self.size += call.size

    def take(self, samples: int) -> Batch:
        """Make a batch of the rows of at most so many samples, cut where they are too many for one run."""
        batch: list[Rows] = []
        most = max(samples, ROWS)
        while most and samples and self._waiting:
            first = self._waiting[0]
            stop = min(first.call.size, first.taken + most)
            batch.append(Rows(first, first.taken, stop))
            most -= stop - first.taken
            self.size -= stop - first.taken
            first.taken = stop
            if stop == first.call.size:
                self._waiting.popleft()
                done = not self._waiting or self._waiting[0].sample is not first.sample
                self.samples -= done
                samples -= done
        return Batch(batch[0].pending.call.network, tuple(batch))
