"""Weights trained on drawn faces: they work on drawn faces, and say what they are."""

import pytest

from faceport.errors import ConfigError
from faceport.plugins.loading import create
from faceport.shell.compose import compose_config
from faceport.shell.verb import make_verb


def test_they_find_the_landmarks_of_drawn_people_never_seen(tmp_path):
    words = ["model=pipnet_slim", "model.weights=drawn", "target=torch", f"out={tmp_path}"]
    words += ["dataset=synthetic", "dataset.faces=[1,1]", "dataset.size=[320,320]"]
    config = compose_config("run", [*words, "dataset.seed=4711", "dataset.count=20"])
    record = make_verb("run", config).act(config)
    assert record.metrics["landmarks"]["nme"] < 0.08
    assert any("trained on drawn faces" in note for note in record.notes)


@pytest.mark.parametrize("name", ["pipnet_resnet18", "pipnet_slim"])
def test_they_fit_one_model_only(name):
    options = {"landmarks": 68} if name == "pipnet_slim" else {}
    with pytest.raises(ConfigError, match="of no other"):
        create("model", name, weights="drawn", **options)
