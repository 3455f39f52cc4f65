import numpy as np
import pytest

from faceport.engine.timing import Histogram


def test_percentiles_are_right_to_one_per_cent():
    durations = np.random.default_rng(0).lognormal(-6, 1, 5000)
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    for share in (0.1, 0.5, 0.9, 0.99):
        assert histogram.percentile(share) == pytest.approx(np.quantile(durations, share), rel=0.02)
    assert histogram.summary()["mean_ms"] == pytest.approx(1e3 * durations.mean(), rel=1e-4)


def test_an_empty_histogram_has_no_durations():
    assert Histogram().summary()["p50_ms"] == 0.0
