"""Sweepers that search: what they are told to make better, and what a job gives them."""

import importlib.util

import pytest
from omegaconf import OmegaConf

from faceport.errors import ConfigError
from faceport.runs.record import Record
from faceport.shell.objectives import direct, objectives, values
from tests.cli import SMALL, faceport

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_optuna_sweeper") is None
    if importlib.util.find_spec("hydra_plugins")
    else True,
    reason="hydra-optuna-sweeper is not installed",
)
SEARCH = ["run", "-m", "hydra/sweeper=optuna", *SMALL, "limit=2", "metric=[widerface_ap]"]


def config(objective, sweeper="optuna", *typed):
    return OmegaConf.create(
        {
            "objective": objective,
            "hydra": {
                "runtime": {"choices": {"hydra/sweeper": sweeper}},
                "sweeper": {"direction": "minimize", "max_failure_rate": 0.0},
                "overrides": {"hydra": list(typed)},
            },
        }
    )


@pytest.mark.parametrize(
    ("objective", "direction"),
    [
        ("widerface_ap.hard", "maximize"),
        ("landmarks.nme", "minimize"),
        (["widerface_ap.hard", "latency.service_time_mean_ms"], ["maximize", "minimize"]),
    ],
)
def test_directions_come_from_the_cards_of_metrics(objective, direction):
    told = config(objective)
    direct(told)
    assert told.hydra.sweeper.direction == direction and told.hydra.sweeper.max_failure_rate == 1
    assert objectives(told) == (objective if isinstance(objective, list) else [objective])


def test_what_was_typed_stays():
    told = config("widerface_ap.hard", "optuna", "hydra.sweeper.direction=minimize")
    direct(told)
    assert told.hydra.sweeper.direction == "minimize"


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (config(None), "hydra/sweeper=optuna must be told what to make better: objective=METRIC.NUMBER"),
        (config("widerface_ap.hard", "basic"), "is for a sweeper that searches: hydra/sweeper=optuna"),
        (config("widerface.hard"), "could not find metric 'widerface'. Did you mean widerface_ap"),
        (config("widerface_ap"), "names no number of the metric: widerface_ap.NUMBER"),
        (config("latency.odd"), "does not say whether higher or lower.*direction=maximize"),
    ],
)
def test_what_cannot_be_searched_for_is_said(told, sentence):
    with pytest.raises(ConfigError, match=sentence):
        direct(told)


def test_a_record_gives_the_numbers_or_says_which_there_are():
    record = Record("done", {}, metrics={"widerface_ap": {"hard": 0.5, "easy": 0.75, "protocol": "x"}})
    assert values(record, ["widerface_ap.hard"]) == 0.5
    assert values(record, ["widerface_ap.hard", "widerface_ap.easy"]) == [0.5, 0.75]
    with pytest.raises(ConfigError, match="no widerface_ap.hrd: there are hard, easy$"):
        values(record, ["widerface_ap.hrd"])
    with pytest.raises(ConfigError, match=r"choose the metric: metric=\[landmarks\]"):
        values(record, ["landmarks.nme"])
    with pytest.raises(ConfigError, match="pictures are missing"):
        values(
            Record("incomplete", {}, "pictures are missing", metrics=record.metrics), ["widerface_ap.hard"]
        )


def test_an_objective_without_a_sweep_is_refused(tmp_path):
    said = faceport("run", "objective=widerface_ap.hard", *SMALL, folder=tmp_path, code=1)
    assert "faceport search ... objective=METRIC.NUMBER searches for it" in said


@needs_optuna
@pytest.mark.slow
def test_a_search_ends_with_its_best(tmp_path):
    words = ["objective=widerface_ap.hard", "hydra.sweeper.n_trials=2", "model.confidence=interval(0.1,0.9)"]
    said = faceport(*SEARCH, *words, folder=tmp_path)
    assert said.count("(widerface_ap.hard ") == 2 and "best: model.confidence=0." in said
    assert "new study" not in said


@needs_optuna
@pytest.mark.slow
def test_a_search_without_any_number_says_so(tmp_path):
    words = ["objective=landmarks.nme", "hydra.sweeper.n_trials=1", "batch_size=choice(1,2)"]
    said = " ".join(faceport(*SEARCH, *words, folder=tmp_path, code=1).split())
    assert "no trial: there is no landmarks.nme: choose the metric: metric=[landmarks]" in said
    assert "the search has no best" in said
