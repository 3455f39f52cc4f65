"""faceport search: no configuration twice, the front, and going on after an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceport.errors import ConfigError
from faceport.verb import Interval
from tests.cli import SMALL, faceport

pytest.importorskip("optuna")

from faceport_search.objectives import measured_by, objectives_of
from faceport_search.study import Trial, configurations, front, open_study

VALUES = {"size": ["160", "320", "640"], "precision": ["fp32", "int8"]}


def both():
    return objectives_of(["widerface_ap.hard", "latency.p50_ms"])


def outcome(choice):
    """Be better and slower with size; int8 is a little worse and quicker."""
    size, rounded = int(choice["size"]), choice["precision"] == "int8"
    return [size / 1000 - 0.01 * rounded, size / 10 / (1 + rounded)]


def searched(study, most=100):
    tried = []
    while len(tried) < most and (choice := study.next()):
        tried.append(choice)
        study.tell(choice, outcome(choice))
    return tried


def test_every_configuration_is_tried_once(tmp_path):
    study = open_study(tmp_path / "journal.log", VALUES, both(), seed=0)
    tried = [tuple(one.values()) for one in searched(study)]
    assert len(tried) == len(set(tried)) == configurations(VALUES) == 6
    assert study.next() is None


def test_an_interrupted_search_goes_on_with_what_it_had_begun(tmp_path):
    path = tmp_path / "journal.log"
    study = open_study(path, VALUES, both(), seed=0)
    done = searched(study, 3)
    begun = study.next()  # and here it was killed
    again = open_study(path, VALUES, both(), seed=0)
    assert [dict(one.choice) for one in again.trials] == done
    rest = searched(again)
    assert rest[0] == begun
    assert len({tuple(one.values()) for one in [*done, *rest]}) == len([*done, *rest]) == 6


def test_a_failure_is_kept_with_its_reason_and_stops_nothing(tmp_path):
    study = open_study(tmp_path / "journal.log", VALUES, both(), seed=0)
    choice = study.next()
    study.tell(choice, reason="no room")
    searched(study)
    assert [one.reason for one in study.trials] == ["no room", *[""] * 5]
    assert choice not in [dict(one.choice) for one in front(study.trials, both())]


def test_the_front_is_what_nothing_beats_in_everything():
    trials = [
        Trial({"n": str(at)}, values)
        for at, values in enumerate([(0.8, 10), (0.9, 20), (0.7, 15), (0.9, 25)])
    ]
    assert [one.choice["n"] for one in front(trials, both())] == ["1", "0"]


def test_values_between_two_ends_are_proposed(tmp_path):
    values = {"c": Interval(0.1, 0.9), "n": Interval(1, 4, whole=True)}
    study = open_study(tmp_path / "journal.log", values, objectives_of(["size.mb"]), seed=0)
    for _ in range(5):
        choice = study.next()
        assert 0.1 <= float(choice["c"]) <= 0.9 and choice["n"] in ("1", "2", "3", "4")
        study.tell(choice, [float(choice["c"])])
    assert {
        one.choice["c"]
        for one in open_study(tmp_path / "journal.log", values, objectives_of(["size.mb"]), 0).trials
    } == {one.choice["c"] for one in study.trials}


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ([], "must be told what to make better"),
        (["hard"], "write METRIC.NUMBER"),
        (["nothing.here"], "could not find metric 'nothing'"),
        (["size.mb", "size.mb"], "twice"),
    ],
)
def test_what_cannot_be_made_better_is_said(keys, sentence):
    with pytest.raises(ConfigError, match=sentence):
        objectives_of(keys)


def test_what_only_a_benchmark_measures_makes_trials_benchmarks():
    pytest.importorskip("faceport_bench")
    assert measured_by(both()) == "run"
    assert measured_by(objectives_of(["memory.peak_mb"])) == "bench"


@pytest.mark.slow
def test_a_search_ends_in_records_and_a_front(tmp_path: Path):
    words = [
        "search",
        *SMALL,
        "dataset.count=4",
        "metric=[widerface_ap,latency]",
        "metric.widerface_ap.levels=[all]",
    ]
    words += ["objective=widerface_ap.all,latency.service_time_mean_ms"]
    said = faceport(*words, "target.threads=1,2", "batch_size=1,2", "trials=2", folder=tmp_path)
    assert "trial 2 of 2: target.threads=" in said and "2 trials; none of these" in said
    said = faceport(*words, "target.threads=1,2", "batch_size=1,2", "trials=9", folder=tmp_path)
    assert "trial 3 of 4" in said and "trial 2 of" not in said and "4 trials; none of these" in said
    assert len([*tmp_path.glob("searches/*/*/record.json")]) == 4
    said = faceport(*words, folder=tmp_path, code=1)
    assert "there is nothing to search" in said
