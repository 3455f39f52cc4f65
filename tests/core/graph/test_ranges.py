import numpy as np
import pytest

from faceport.graph.ranges import BINS, Histogram, find_range


def histogram_of(*parts: np.ndarray) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.add(part.astype(np.float32))
    return histogram


def squared_error(values: np.ndarray, low: float, high: float) -> float:
    """Quantise to 8 bits for real."""
    step = (high - low) / 255
    rounded = np.round((np.clip(values, low, high) - low) / step) * step + low
    return float(((rounded - values) ** 2).mean())


def normal(size: int = 100_000) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(size)


def test_minmax_is_exact_and_holds_zero() -> None:
    assert find_range(histogram_of(np.array([[1.5, -2.25], [3.0, 0.5]])), "minmax") == (-2.25, 3.0)
    assert find_range(histogram_of(np.array([1.5, 2.0])), "minmax") == (0.0, 2.0)
    for method in ("minmax", "percentile", "entropy", "mse"):
        assert find_range(histogram_of(np.zeros(5)), method) == (0.0, 0.0)
        assert find_range(Histogram(), method) == (0.0, 0.0)


def test_growing_counts_as_if_the_limit_had_been_known() -> None:
    small, large = normal(5000), 3.7 * normal(5000)
    grown = histogram_of(small, large)
    at_once = Histogram()
    at_once.limit = grown.limit
    at_once.add(small.astype(np.float32))
    at_once.add(large.astype(np.float32))
    assert grown.counts.sum() == 10_000 and np.abs(grown.counts - at_once.counts).max() <= 1
    assert histogram_of(large, small).counts.sum() == 10_000


def test_percentile_cuts_the_tails() -> None:
    values = np.concatenate([normal(), [80.0, -50.0]])
    low, high = find_range(histogram_of(values), "percentile")
    right = np.percentile(values, [0.005, 99.995])
    width = 2 * 80 / BINS
    assert abs(low - right[0]) <= 2 * width and abs(high - right[1]) <= 2 * width


def test_mse_finds_the_least_squared_error() -> None:
    values = np.concatenate([normal(), np.full(3, 12.0), np.full(2, -11.0)])
    low, high = find_range(histogram_of(values), "mse")
    shares = np.linspace(0.05, 1, 96)
    best = min(squared_error(values, -11 * share, 12 * share) for share in shares)
    assert squared_error(values, low, high) <= 1.02 * best
    assert squared_error(values, low, high) < 0.95 * squared_error(values, -11, 12)


def test_entropy_gives_up_outliers() -> None:
    values = np.concatenate([normal(), [400.0]])
    low, high = find_range(histogram_of(values), "entropy")
    assert 20 < high < 200 and low == pytest.approx(values.min(), rel=1e-6)
    positive = find_range(histogram_of(np.abs(normal())), "entropy")
    assert positive[0] == 0 and positive[1] > 3


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        histogram_of(np.array([1.0, np.inf]))
