"""Numbers as JSON holds them, and their intervals."""

import json

import numpy as np
import pytest

from faceport.ops.bootstrap import bootstrap, draws, intervals
from faceport.ops.plain import plain


def test_plain_is_json():
    table = {
        1: np.float32(0.5),
        "a": [np.nan, np.array([[1, 2]])],
        "b": {"c": (np.bool_(True), -np.inf, None)},
    }
    found = plain(table)
    assert found == {"1": 0.5, "a": [None, [[1, 2]]], "b": {"c": [True, None, None]}}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(0).normal(10, 2, 400)
    low, high = bootstrap(lambda drawn: {"mean": values[drawn].mean()}, 400)["mean"]
    error = 1.96 * values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.03)


def test_interval_of_what_is_seldom_defined():
    values = np.array([1.0, np.nan, np.nan])
    interval = bootstrap(lambda drawn: {"first": values[drawn[0]], "never": np.nan}, 3, rounds=50)
    assert interval["first"] == (1.0, 1.0)
    assert np.isnan(interval["never"]).all()


def test_draws_are_what_bootstrap_draws():
    values = np.random.default_rng(1).normal(size=30)
    means = draws(30, rounds=40) @ values / 30
    assert draws(30, rounds=40).sum(axis=1).tolist() == [30] * 40
    wanted = bootstrap(lambda drawn: {"mean": values[drawn].mean()}, 30, rounds=40)["mean"]
    assert intervals([{"mean": mean} for mean in means])["mean"] == pytest.approx(wanted)
