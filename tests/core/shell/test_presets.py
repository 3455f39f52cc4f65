"""Presets: a user's own files below conf/, chosen by name like what plugins bring."""

import sys

import pytest

from faceport.errors import FaceportError
from faceport.shell.completion import answer
from faceport.shell.compose import compose_config, hydra_main
from faceport.shell.flags import Flags
from tests.cli import faceport

FILES = {
    "conf/model/tiny.yaml": "defaults: [retinaface_mobilenet]\nweights: random\nsize: 64\n",
    "conf/model/tinier.yaml": "defaults: [tiny, _self_]\nsize: 32\n",
    "conf/target/ort_one.yaml": "defaults: [onnxruntime]\nthreads: 1\n",
    "conf/dataset/mine.yaml": "defaults: [synthetic]\ncount: 2\n",
    "conf/metric/wide.yaml": "defaults: [widerface_ap]\nbootstrap: 50\n",
    "conf/model/typo.yaml": "defaults: [retinaface_mobilenet]\nsise: 64\n",
    "conf/model/loop.yaml": "defaults: [pool]\n",
    "conf/model/pool.yaml": "defaults: [loop]\n",
    "conf/model/alone.yaml": "size: 64\n",
    "conf/model/lost.yaml": "defaults: [nothing_like_it]\n",
    "conf/target/torch.yaml": "defaults: [onnxruntime]\n",
    "conf/experiment/night.yaml": (
        "# @package _global_\ndefaults:\n  - override /model: tinier\n  - override /metric: [wide]\n"
        "  - override /target: ort_one\n"
    ),
}
RUN = ["model=tiny", "target=ort_one", "dataset=mine"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    for place, text in FILES.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["faceport"])
    return tmp_path


def test_values_are_the_presets_and_names_are_the_plugins(here):
    config = compose_config("run", [*RUN, "metric=[wide,landmarks]"])
    assert {group: config[group]["name"] for group in ("model", "target", "dataset")} == {
        "model": "retinaface_mobilenet",
        "target": "onnxruntime",
        "dataset": "synthetic",
    }
    assert (config["model"]["size"], config["target"]["threads"], config["dataset"]["count"]) == (64, 1, 2)
    assert config["metric"]["widerface_ap"]["bootstrap"] == 50 and "landmarks" in config["metric"]


def test_one_may_be_based_on_another_and_words_win(here):
    model = compose_config("run", ["model=tinier", "dataset=mine", "model.confidence=0.3"])["model"]
    assert (model["weights"], model["size"], model["confidence"]) == ("random", 32, 0.3)


def test_every_group_of_the_kind_takes_them(here):
    words = ["model=facenet", "detector=tiny", "calibration.dataset=mine", "dataset=mine"]
    config = compose_config("run", words)
    assert (config["detector"]["name"], config["detector"]["size"]) == ("retinaface_mobilenet", 64)
    assert config["calibration"]["dataset"]["count"] == 2
    (here / "conf/model/face.yaml").write_text("defaults: [facenet]\n")
    with pytest.raises(FaceportError, match="detector=face finds no faces by itself"):
        compose_config("run", ["model=facenet", "detector=face", "dataset=mine"])


def test_an_experiment_chooses_them(here):
    config = compose_config("run", ["experiment=night", "dataset=mine"])
    assert config["model"] | {"name": "retinaface_mobilenet", "size": 32} == config["model"]
    assert config["metric"]["widerface_ap"]["bootstrap"] == 50 and config["target"]["threads"] == 1


@pytest.mark.parametrize("how", ["flag", "file", "pkg"])
def test_those_of_other_folders(here, how, monkeypatch):
    other = here / "othermodule" / "presets" / "target"
    other.mkdir(parents=True)
    (here / "othermodule" / "__init__.py").write_text("raise SystemExit('not to be run')")
    (other / "two.yaml").write_text("defaults: [ort_one]\nprecision: fp16\n")
    monkeypatch.syspath_prepend(here)
    folder, word = other.parent, []
    if how != "flag":
        folder, word = (
            None,
            [f"hydra.searchpath=[{how}://{other.parent if how == 'file' else 'othermodule.presets'}]"],
        )
    target = compose_config("run", [*word, "model=tiny", "target=two", "dataset=mine"], folder)["target"]
    assert (target["name"], target["threads"], target["precision"]) == ("onnxruntime", 1, "fp16")
    typed = [f"--config-dir={folder}"] if folder else word
    assert answer(["run", *typed, "target=tw"]) == "target=two\n"
    with pytest.raises(FaceportError, match="could not find target 'two'"):
        compose_config("run", ["model=tiny", "target=two", "dataset=mine"])


def test_as_values_of_a_sweep(here):
    found = []
    words = ["model=tiny,tinier", "target=glob(ort_*)", "dataset=mine", "metric=[wide],[landmarks]"]
    hydra_main("run", Flags(True), words, lambda one: found.append((one["model"]["size"], [*one["metric"]])))
    assert found == [(size, [one]) for size in (64, 32) for one in ("widerface_ap", "landmarks")]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("model=typo", r"conf/model/typo.yaml: model 'retinaface_mobilenet' has no option 'sise'.*mean size"),
        ("model=loop", r"conf/model/loop.yaml is based on itself, by way of conf/model/pool.yaml"),
        (
            "model=alone",
            r"conf/model/alone.yaml does not say what it is based on: write 'defaults: \[NAME\]'",
        ),
        ("model=lost", r"conf/model/lost.yaml: could not find model 'nothing_like_it'"),
        ("target=torch", r"conf/target/torch.yaml has the name of a target of a plugin's.*rename"),
        ("target=ort_on", r"could not find target 'ort_on'. Did you mean ort_one"),
        ("metric=[wide,widerface_ap]", r"wide and widerface_ap are both widerface_ap.*-m metric=wide,"),
        ("hydra.searchpath=[file://nowhere]", r"file://nowhere': there is no such folder"),
        ("hydra.searchpath=[ftp://x]", r"'ftp://x': write file://FOLDER or pkg://PACKAGE"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(here, word, sentence):
    with pytest.raises(FaceportError, match=sentence):
        compose_config("run", [*RUN, word])


def test_they_run_and_are_listed_as_yours(here):
    said = faceport("run", *RUN, "limit=1", "metric=null", "record=r.json", folder=here)
    assert "record:" in said
    listed = faceport("list", "target", folder=here)
    assert "ort_one (yours)" in " ".join(listed.split()) and "onnxruntime with threads=1" in listed
    card = faceport("list", "target=ort_one", folder=here)
    assert card.startswith("target ort_one (yours, based on onnxruntime)")
    assert "conf/target/ort_one.yaml" in card
    assert "conf/model/typo.yaml: model 'retinaface_mobilenet' has no option 'sise'" in " ".join(
        faceport("list", folder=here).split()
    )
