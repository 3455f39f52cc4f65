import numpy as np
import pytest

from faceport.engine.timing import IN_ENGINE, PERCENTILES, Histogram, Stages


def test_percentiles_are_right_to_one_per_cent():
    durations = np.random.default_rng(0).lognormal(-6, 1, 5000)
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    for share in (0.1, 0.5, 0.9, 0.99):
        assert histogram.percentile(share) == pytest.approx(np.quantile(durations, share), rel=0.02)
    assert histogram.summary()["mean_ms"] == pytest.approx(1e3 * durations.mean(), rel=1e-4)


def test_an_empty_histogram_has_no_durations():
    assert Histogram().summary()["mean_ms"] == 0.0


def summary(count: int) -> dict:
    histogram = Histogram()
    for _ in range(count):
        histogram.add(1e-3)
    return histogram.summary()


@pytest.mark.parametrize(("share", "least"), PERCENTILES.items())
def test_percentiles_are_told_from_enough_durations_on(share, least):
    name = f"p{round(100 * share)}_ms"
    assert summary(least - 1)[name] is None
    assert summary(least)[name] == pytest.approx(1, rel=0.01)


def test_merged_histograms_have_percentiles_that_none_of_them_had():
    histogram, part = Histogram(), summary(12)
    histogram.merge(part)
    histogram.merge(part)
    assert part["p50_ms"] is None
    assert histogram.summary()["p50_ms"] == pytest.approx(1, rel=0.01)


def test_what_warms_up_is_not_timed():
    stages = Stages(warm_up=2)
    for number in range(5):
        stages.batch("tiny", 9.0 if number < 2 else 1e-3, 1)
        stages.sample(str(number), [("decode", 1e-3), (IN_ENGINE, 9.0 if number < 2 else 2e-3)])
    found = stages.summary()
    assert found["network:tiny"]["count"] == found["decode"]["count"] == found[IN_ENGINE]["count"] == 3
    assert found["network:tiny"]["mean_ms"] == pytest.approx(1)
    assert found[IN_ENGINE]["mean_ms"] == pytest.approx(2)
