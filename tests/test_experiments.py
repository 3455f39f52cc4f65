"""The experiments at the top of the repository: all compose, from anywhere, and run without downloads."""

import json
import re
import shlex

import pytest

from faceport.plugins.index import installed
from faceport.runs.published import published_of
from faceport.shell.compose import compose_config, hydra_main
from faceport.shell.flags import EXPERIMENTS, Flags, experiments, take_flags
from faceport.shell.offers import offers
from faceport.shell.together import compose_together
from tests.cli import faceport
from tests.conftest import ROOT

CONF = ROOT / "conf"
FILES = {path.stem: path for path in sorted((CONF / EXPERIMENTS).glob("*.yaml"))}
TABLES = {"facenet_batches", "mtcnn_shapes"}  # of speed, as Ascend's page has them
VENDORS = {"ascend", "drpai", "vastai"}  # whose pages are reproduced step by step
FAMILIES = {"retinaface", "pipnet", "deeppose", "facenet"}
TINY = ["limit=1", "model.size=64", "metric=[widerface_ap]"]


def examples(name: str) -> list[str]:
    """List the commands in the comments of an experiment."""
    text = re.sub(r" \\\n# +", " ", FILES[name].read_text())
    return re.findall(r"^# +(faceport .*)$", text, re.MULTILINE)


def test_every_family_has_one_and_a_sweep_is_there():
    assert set(FILES) >= {*FAMILIES, "ports"}
    assert experiments([CONF]) == sorted(FILES)


def verb_of(name: str) -> str:
    """Name the verb that an experiment is for: that of its first example."""
    return examples(name)[0].split()[1]


def composed(verb: str, words: list[str]) -> list[dict]:
    """Compose what a command line asks for: several configurations where its verb compares."""
    if offers(verb).together:
        return compose_together(offers(verb), words, CONF)
    return [compose_config(verb, words, CONF)]


@pytest.mark.parametrize("name", FILES)
def test_each_composes_from_anywhere_and_needs_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for config in composed(verb_of(name), [f"experiment={name}"]):
        assert config["dataset"] is None or config["dataset"]["name"].startswith("synthetic")
        assert (config["limit"] or 0) <= 20
        for group in ("model", "detector"):
            assert config.get(group) is None or config[group]["weights"] == "random"
        family = name.partition("_")[0]
        if family in VENDORS:
            assert config["target"]["name"] == family
            assert (config["target"]["reach"], config["target"]["dry_run"]) == ("exchange", True)
        else:
            assert name == "ports" or config["model"]["name"].startswith(family)
    if name.endswith("facenet"):
        assert config["detector"]["name"] == "mtcnn"


def test_published_numbers_can_be_read_and_match_something():
    for name in FILES:
        configs = composed(verb_of(name), [f"experiment={name}"])
        if configs[0].get("published"):
            assert any(published_of(config) for config in configs), name


@pytest.mark.parametrize("name", FILES)
def test_each_says_how_it_is_run(name):
    commands = examples(name)
    assert len(commands) >= 2
    for command in commands:
        program, verb, *words = shlex.split(command)
        assert program == "faceport" and verb in ("run", "bench", "train")
        asked = {word.removeprefix("experiment=") for word in words if word.startswith("experiment=")}
        assert asked <= {name, "facenet", *(TABLES if name.startswith("ascend") else ())} and asked


@pytest.mark.parametrize(
    "command",
    [pytest.param(line, id=f"{name}-{n}") for name in FILES for n, line in enumerate(examples(name))],
)
def test_what_it_says_composes(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["faceport"])
    _, verb, *words = shlex.split(command)
    flags, words = take_flags(offers(verb), words)
    found = []
    if flags.sweep:
        out = f"out={tmp_path}"
        hydra_main("run", Flags(True, CONF), [*words, out], found.append)
        assert len(found) > 1
    else:
        found += composed(verb, words)
    for config in found:
        model = config["model"]
        assert model["name"] in installed().choices("model")
        assert "model.weights=" not in command or model["weights"] != "random"


SWEEPS = {"vastai_retinaface": 20, "vastai_pipnet": 8, "ascend_facenet": 2}


@pytest.mark.parametrize("name", SWEEPS)
def test_the_pages_of_vendors_are_reproduced_whole(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["faceport"])
    found = []
    hydra_main("run", Flags(True, CONF), [f"experiment={name}", f"out={tmp_path}"], found.append)
    assert len(found) == SWEEPS[name]
    printed = [published_of(config) for config in found]
    assert all(printed), "each combination stands beside what was published of it"
    numbers = [number.text for rows in printed for row in rows for number in row.numbers.values()]
    assert {"vastai_retinaface": "66.40%", "vastai_pipnet": "0.045348", "ascend_facenet": "0.994"}[
        name
    ] in numbers


def test_one_runs_from_a_clone(tmp_path):
    (tmp_path / "conf").symlink_to(CONF)
    faceport("run", "experiment=retinaface", *TINY, "record=record.json", folder=tmp_path)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["status"] == "done" and record["config"]["model"]["size"] == 64


@pytest.mark.parametrize("flag", [[f"--config-dir={CONF}"], ["-cd", str(CONF)]], ids=["long", "short"])
def test_one_runs_from_any_folder(flag, tmp_path):
    said = faceport("run", *flag, "experiment=retinaface", *TINY, "record=record.json", folder=tmp_path)
    assert "record: " in said
    assert json.loads((tmp_path / "record.json").read_text())["samples"]["predicted"] == 1


def test_the_sweep_runs_from_any_folder(tmp_path):
    words = ["limit=2", "model=retinaface_mobilenet", "model.size=160"]
    said = faceport("run", "-m", f"--config-dir={CONF}", "experiment=ports", *words, folder=tmp_path)
    rows = re.findall(r"^(onnxruntime|torch) +done\b", said, re.MULTILINE)
    assert rows == ["onnxruntime", "torch"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FAMILIES - {"retinaface"}))
def test_the_others_run(name, tmp_path):
    words = [f"--config-dir={CONF}", f"experiment={name}", "limit=2", "record=record.json"]
    if name == "facenet":
        words[2] = "limit=10"  # fewer make no pair of one person
    faceport("run", *words, folder=tmp_path)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["status"] == "done"
    assert all(record["metrics"].values())


def test_they_complete(tmp_path):
    (tmp_path / "conf").symlink_to(CONF)
    said = faceport("--complete", "run", "experiment=", folder=tmp_path)
    assert said.split() == [f"experiment={name}" for name in sorted(FILES)]
