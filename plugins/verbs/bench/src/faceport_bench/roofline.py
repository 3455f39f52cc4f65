"""What this machine can do at most, measured here and now: multiply-adds, and bytes to and from memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from faceport_bench.net_loading import work_module

SIDES = (256, 512)  # of the matrices: short enough to run undisturbed now and then
LENGTH = 1 << 23  # of the vectors: 32 MB each, more than caches hold
SECONDS = 0.3  # for each kernel
BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}


@dataclass(frozen=True)
class Peak:
    """The most that was seen."""

    macs_per_second: float
    bytes_per_second: float
    by: str  # whose product of matrices was the quickest, and on how much of the machine

    def roof(self, macs: float, moved: float) -> float:
        """Give the most multiply-adds a second for work that moves so many bytes."""
        return min(self.macs_per_second, self.bytes_per_second * macs / max(moved, 1.0))

    def bound(self, macs: float, moved: float) -> str:
        """Say what holds such work back."""
        return "compute" if self.roof(macs, moved) == self.macs_per_second else "memory"


def measure_peak(seconds: float = SECONDS) -> Peak:
    """Measure with small kernels of float32, on one processor and on all; the quickest of all runs counts.

    Where others keep processors busy, all of them together can be slower than one.
    """
    products = [("numpy", side**3 / quickest(_numpy_product(side), seconds / 2)) for side in SIDES]
    moved = [3 * 4 * LENGTH / quickest(_numpy_triad(), seconds)]
    work = work_module()
    if work is not None:
        for count in sorted({1, os.cpu_count() or 1}):
            with work.threads(count):
                said = f"torch on {count} processor{'s' if count > 1 else ''}"
                products += [
                    (said, side**3 / quickest(work.torch_product(side), seconds / 2)) for side in SIDES
                ]
                moved.append(3 * 4 * LENGTH / quickest(work.torch_triad(LENGTH), seconds))
    by, most = max(products, key=lambda one: one[1])
    return Peak(most, max(moved), by)


def better(one: Peak, other: Peak) -> Peak:
    """Put the best of two measurements together: what disturbs a kernel makes it slower, never quicker."""
    by = one.by if one.macs_per_second >= other.macs_per_second else other.by
    return Peak(
        max(one.macs_per_second, other.macs_per_second), max(one.bytes_per_second, other.bytes_per_second), by
    )


def quickest(kernel: Callable[[], None], seconds: float) -> float:
    """Give the shortest of many runs."""
    kernel()
    ends, shortest = perf_counter() + seconds, float("inf")
    while perf_counter() < ends:
        before = perf_counter()
        kernel()
        shortest = min(shortest, perf_counter() - before)
    return shortest


def _numpy_product(side: int) -> Callable[[], None]:
    rng = np.random.default_rng(0)
    one, other = (rng.random((side, side), np.float32) for _ in range(2))
    out = np.empty((side, side), np.float32)

    def multiply() -> None:
        np.matmul(one, other, out=out)

    return multiply


def _numpy_triad() -> Callable[[], None]:
    """Give the triad in pieces that stay in a cache between its two steps."""
    rng = np.random.default_rng(0)
    b, c = (rng.random(LENGTH, np.float32) for _ in range(2))
    a, piece, part = np.empty(LENGTH, np.float32), 1 << 14, np.empty(1 << 14, np.float32)

    def triad() -> None:
        for at in range(0, LENGTH, piece):
            np.multiply(c[at : at + piece], np.float32(3), out=part)
            np.add(b[at : at + piece], part, out=a[at : at + piece])

    return triad
