"""What was composed before is not composed again, and anything that could change it is noticed."""

import json
import subprocess
import sys

import pytest

from faceport.shell import compose
from faceport.shell.cli import run_command
from faceport.shell.offers import offers
from faceport.shell.remembered import FOLDER, MOST_KEPT, place_of, recall, remember

WORDS = ["model=retinaface_mobilenet", "model.weights=random", "dataset=synthetic", "dataset.count=2"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def kept(words, folder=None):
    """Compose and keep, then look for what was kept."""
    offered = offers("run")
    config = compose.compose_config("run", words, folder)
    remember(place_of(offered, words, folder), folder, config)
    known = recall(place_of(offered, words, folder))
    assert known in (None, config)
    return known


def test_the_same_words_give_the_same_configuration(here):
    assert recall(place_of(offers("run"), WORDS, None)) is None
    config = kept(WORDS)
    assert config["dataset"]["count"] == 2
    assert list(config) == list(compose.compose_config("run", WORDS))
    assert recall(place_of(offers("run"), WORDS[:-1], None)) is None
    assert recall(place_of(offers("predict"), WORDS, None)) is None


def test_a_preset_that_changes_is_read_again(here):
    preset = here / "conf/target/mine.yaml"
    preset.parent.mkdir(parents=True)
    for threads in (1, 2, 3):  # of one size, perhaps in one tick of the clock
        preset.write_text(f"defaults: [onnxruntime]\nthreads: {threads}\n")
        assert recall(place_of(offers("run"), [*WORDS, "target=mine"], None)) is None
        assert kept([*WORDS, "target=mine"])["target"]["threads"] == threads
    preset.unlink()
    assert recall(place_of(offers("run"), [*WORDS, "target=mine"], None)) is None


def test_what_changes_while_it_is_composed_is_composed_again(here):
    preset, words = here / "conf/target/mine.yaml", [*WORDS, "target=mine"]
    preset.parent.mkdir(parents=True)
    preset.write_text("defaults: [onnxruntime]\nthreads: 1\n")
    place = place_of(offers("run"), words, None)
    config = compose.compose_config("run", words)
    preset.write_text("defaults: [onnxruntime]\nthreads: 2\n")
    remember(place, None, config)
    assert recall(place) == config and recall(place_of(offers("run"), words, None)) is None


@pytest.mark.parametrize(
    "word",
    [
        "limit=${oc.env:FACEPORT_LIMIT}",
        "model.weights=https://me:word@example.org/w.pth",
        "model.weights=https://example.org/w.pth?token=abc",
    ],
)
def test_what_may_change_or_is_secret_is_not_kept(here, monkeypatch, word):
    monkeypatch.setenv("FACEPORT_LIMIT", "3")
    words = [one for one in WORDS if one.partition("=")[0] != word.partition("=")[0]]
    assert kept([*words, word]) is None
    assert not list(here.glob(f"cache/{FOLDER}/*"))


def test_a_preset_that_refers_to_something_is_composed_anew(here, monkeypatch):
    preset = here / "conf/target/mine.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text("defaults: [onnxruntime]\nthreads: ${oc.env:THREADS}\n")
    monkeypatch.setenv("THREADS", "2")
    assert kept([*WORDS, "target=mine"]) is None


def test_what_cannot_be_read_is_composed_anew(here):
    kept(WORDS)
    [file] = here.glob(f"cache/{FOLDER}/*.json")
    for damage in ("", "{", "[]", "null"):
        file.write_text(damage)
        assert recall(place_of(offers("run"), WORDS, None)) is None


def test_it_does_not_grow_forever(here):
    folder = here / "cache" / FOLDER
    folder.mkdir(parents=True)
    for number in range(MOST_KEPT):
        (folder / f"{number}.json").write_text("{}")
    assert kept(WORDS)
    assert len(list(folder.iterdir())) <= MOST_KEPT // 2 + 1


def test_the_second_time_hydra_is_not_imported(here):
    program = (
        "import json, sys\n"
        "from faceport.shell.cli import run_command\n"
        "code = run_command(sys.argv[1:])\n"
        "print(json.dumps([code, 'hydra' in sys.modules, 'omegaconf' in sys.modules]))\n"
    )
    words = ["run", *WORDS, "dataset.size=[64,64]", "model.size=64", "fresh=false"]
    found = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    assert found[0] == [0, True, True]
    assert found[1][:2] == [0, False]


def test_mistakes_are_named_each_time(here, capsys):
    for _ in range(2):
        assert run_command(["run", *WORDS, "dataset.size=[64,64]", "batchsize=3"]) == 1
        assert "no option 'batchsize'" in capsys.readouterr().err
