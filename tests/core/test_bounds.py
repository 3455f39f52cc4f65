"""Bounds of options belong to their types: what lies beyond is one sentence, whoever declares it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from faceport.bounds import MOST_THREADS, Amount, Count, Share, Streams, Threads
from faceport.errors import ConfigError
from faceport.plugins.options import checked


@dataclass(frozen=True)
class Options:
    share: Share = 0.5
    count: Count | None = None
    shares: list[Share] = field(default_factory=list)
    amount: Amount = 1.0
    free: float = 0.0


@pytest.mark.parametrize(
    "values",
    [{}, {"share": 0}, {"share": 1.0}, {"count": None}, {"count": 1}, {"shares": [0.0, 1]}, {"free": -1e9}],
)
def test_what_is_inside_is_taken(values):
    checked(Options, values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"share": 1.5}, "option 'share' is 1.5, it must lie between 0 and 1"),
        ({"share": "-0.1"}, "option 'share' is -0.1, it must lie between 0 and 1"),
        ({"share": float("nan")}, "option 'share' is nan, it must lie between 0 and 1"),
        ({"count": 0}, "option 'count' is 0, it must be at least 1"),
        ({"shares": [0.2, 2.0]}, "option 'shares' is .0.2, 2.0., it must lie between 0 and 1"),
        ({"amount": -1}, "option 'amount' is -1.0, it must be at least 0"),
    ],
)
def test_what_lies_beyond_is_refused(values, sentence):
    with pytest.raises(ConfigError, match=sentence):
        checked(Options, values)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("model.confidence=1.5", "option 'confidence' is 1.5, it must lie between 0 and 1"),
        ("model.nms=2", "option 'nms' is 2.0, it must lie between 0 and 1"),
        ("model.keep_top_k=0", "option 'keep_top_k' is 0, it must be at least 1"),
        ("target.threads=-1", "option 'threads' is -1, it must lie between 0 and 1024"),
        ("target.streams=0", "option 'streams' is 0, it must lie between 1 and 1024"),
        ("target.tolerance=-1", "option 'tolerance' is -1.0, it must be at least 0"),
        ("tolerance=-1", "option 'tolerance' is -1.0, it must be at least 0"),
        ("metric.widerface_ap.iou=7", "option 'iou' is 7.0, it must lie between 0 and 1"),
    ],
)
def test_what_ships_keeps_its_bounds(word, sentence):
    pytest.importorskip("faceport_retinaface")
    from faceport.shell.pipelines import plan_of

    words = ["model=retinaface_mobilenet", "target=onnxruntime", "dataset=synthetic", "metric=widerface_ap"]
    with pytest.raises(ConfigError, match=sentence):
        plan_of([*words, word], "run")


def test_every_thread_of_a_machine_may_be_asked_for():
    assert Threads.__metadata__[0].most == Streams.__metadata__[0].most == MOST_THREADS == 1024
