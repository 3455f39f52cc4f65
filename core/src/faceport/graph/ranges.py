"""Ranges of activations for 8 bits: histograms of constant size, and where to cut them off.

Entropy: Migacz, "8-bit inference with TensorRT" (GTC 2017). The others: Nagel et al., "A white paper on
neural network quantization" (https://arxiv.org/abs/2106.08295).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.types import Tensors

Floats = NDArray[np.floating[Any]]
Range = tuple[float, float]

BINS = 2048  # over -limit..limit
LEVELS = 256  # of 8 bits
PERCENTILE = 99.99
STEPS = 100  # shares of the range that the search for the least squared error tries


class Histogram:
    """Count values in bins around zero; the bins widen by powers of two when larger values come."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.limit = 0.0
        self.low = self.high = 0.0  # zero is always inside: padding is made of it

    def add(self, values: Floats) -> None:
        """Count every value of a tensor."""
        if not values.size:
            return
        flat = values.ravel()
        self.low, self.high = min(self.low, float(flat.min())), max(self.high, float(flat.max()))
        largest = max(-self.low, self.high)
        if not np.isfinite(largest):
            raise ValueError("a tensor holds values that are not finite")
        if not self.limit:
            self.limit = largest
        while self.limit < largest:
            self._widen()
        scaled = flat * np.float32(BINS / 2 / self.limit) + np.float32(BINS / 2) if self.limit else flat
        index = np.clip(scaled, 0, BINS - 1).astype(np.intp)
        self.counts += np.bincount(index, minlength=BINS)

    def _widen(self) -> None:
        merged = self.counts.reshape(-1, 2).sum(1)
        self.counts = np.pad(merged, BINS // 4)
        self.limit *= 2

    @property
    def centers(self) -> Floats:
        """Values in the middle of the bins."""
        return (np.arange(BINS) + 0.5) * (2 * self.limit / BINS) - self.limit


def measure(
    run: Callable[[Tensors], Tensors],
    calls: Iterable[Tensors],
    method: str,
    levels: int = LEVELS,
    squashed: Mapping[str, float] | None = None,
) -> dict[str, Range]:
    """Run recorded calls and find the range of every input and of every tensor that comes out.

    `squashed` tells of some tensors how much of a value below zero is left by what reads them.
    """
    histograms: dict[str, Histogram] = defaultdict(Histogram)
    for inputs in calls:
        for name, value in {**inputs, **run(inputs)}.items():
            histograms[name].add(value)
    slopes = squashed or {}
    return {
        name: find_range(histogram, method, levels, slopes.get(name, 1.0))
        for name, histogram in histograms.items()
    }


def find_range(histogram: Histogram, method: str, levels: int = LEVELS, slope: float = 1.0) -> Range:
    """Choose the range that integers are spread over: minmax, percentile, entropy or mse."""
    if not histogram.limit:
        return 0.0, 0.0
    low, high = mse(histogram, levels, slope) if method == "mse" else METHODS[method](histogram)
    return float(max(low, histogram.low)), float(min(high, histogram.high))


def minmax(histogram: Histogram) -> Range:
    """Keep everything that was seen."""
    return histogram.low, histogram.high


def percentile(histogram: Histogram, share: float = PERCENTILE) -> Range:
    """Cut off half of the rest at each end."""
    sums = np.cumsum(histogram.counts) / histogram.counts.sum()
    tail = (1 - share / 100) / 2
    edges = np.linspace(-histogram.limit, histogram.limit, BINS + 1)
    low, high = int(np.searchsorted(sums, tail, side="right")), int(np.searchsorted(sums, 1 - tail))
    return min(0.0, float(edges[low])), max(0.0, float(edges[min(high + 1, BINS)]))


def mse(histogram: Histogram, levels: int = LEVELS, slope: float = 1.0) -> Range:
    """Find the ends of the range whose rounding and clipping errors have the least sum of squares.

    `slope` is what is left of errors below zero, where a leaky rectifier follows.
    """
    low, high = histogram.low, histogram.high
    weights = np.where(histogram.centers < 0, slope**2, 1.0) * histogram.counts.astype(np.float64)
    shares = np.linspace(1 / STEPS, 1, STEPS)

    def best(ends: list[Range]) -> Range:
        errors = [_squared_error(histogram, weights, levels, end) for end in ends]
        return ends[int(np.argmin(errors))]

    pick = best([(share * low, share * high) for share in shares])
    for _ in range(2):  # then each end by itself
        pick = best([pick, *((pick[0], share * high) for share in shares)])
        pick = best([pick, *((share * low, pick[1]) for share in shares)])
    return pick


def _squared_error(histogram: Histogram, weights: NDArray[np.float64], levels: int, ends: Range) -> float:
    low, high = ends
    step = (high - low) / (levels - 1)
    values = histogram.centers
    clipped = np.clip(values, low, high) - values
    return float(weights @ clipped**2 + weights[clipped == 0].sum() * step**2 / 12)


def entropy(histogram: Histogram) -> Range:
    """Find the threshold that loses the least information, as the Kullback-Leibler divergence counts it."""
    half = BINS // 2
    counts = (histogram.counts[half:] + histogram.counts[:half][::-1]).astype(np.float64)  # of magnitudes
    levels = LEVELS // 2
    losses = [_divergence(counts, stop, levels) for stop in range(levels, half + 1)]
    limit = (levels + int(np.argmin(losses))) * histogram.limit / half
    return max(-limit, histogram.low), min(limit, histogram.high)


def _divergence(counts: NDArray[np.float64], stop: int, levels: int) -> float:
    """Compare the counts below a threshold, outliers moved to its edge, with what is left after rounding."""
    kept = counts[:stop]
    reference = kept.copy()
    reference[-1] += counts[stop:].sum()
    group = np.arange(stop) * levels // stop
    filled = kept > 0
    share = np.bincount(group, kept, levels) / np.maximum(np.bincount(group, filled, levels), 1)
    rounded = np.where(filled, share[group], 0.0)
    total, rounded_total = reference.sum(), rounded.sum()
    if not rounded_total:
        return np.inf
    p, q = reference / total, rounded / rounded_total
    at = p > 0
    return float((p[at] * np.log(p[at] / np.maximum(q[at], 1e-12))).sum())


METHODS: dict[str, Callable[[Histogram], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "entropy": entropy,
}  # and mse, which wants to know more
