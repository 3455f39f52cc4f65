"""Homes of nobody, pipes of threads, tags of YAML, passwords in a sweep: sentences, and nothing kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceport.bounds import MOST_THREADS
from faceport.errors import ConfigError, FaceportError
from faceport.runs.folder import run_folder
from faceport.runs.options import EngineOptions
from faceport.shell.compose import compose_config
from faceport.shell.flags import take_flags
from faceport.shell.offers import offers
from faceport.shell.sweeps import KEPT, hide_secrets
from faceport.targets.machine import share_cores

RUN = ["model=retinaface_mobilenet", "model.weights=random", "dataset=synthetic"]


@pytest.mark.parametrize(
    "words",
    [["--config-dir=~nosuchuser"], ["hydra.searchpath=[~nosuchuser]"], ["artifact=~nosuchuser/board"]],
    ids=lambda words: words[0],
)
def test_a_home_of_nobody_is_a_sentence(words):
    with pytest.raises(FaceportError, match="there is no user 'nosuchuser'"):
        flags, rest = take_flags(offers("run"), words)
        compose_config("run", [*RUN, *rest], flags.folder)


def test_results_may_lie_in_a_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert run_folder({"out": "~/runs", "model": {"name": "toy"}}).parent == tmp_path / "runs"
    with pytest.raises(ConfigError, match="there is no user 'nosuchuser'"):
        run_folder({"out": "~nosuchuser/runs"})


def test_more_threads_than_anybody_has_use_for_are_refused():
    with pytest.raises(ValueError, match="workers is 100000, it must be at most"):
        EngineOptions(workers=100_000)
    with pytest.raises(ConfigError, match=r"target\.threads is 1000000, it must be at most"):
        share_cores(1_000_000, None)
    with pytest.raises(ConfigError, match=r"target\.streams is 1000000, it must be at most"):
        share_cores(1, 1_000_000)
    assert share_cores(MOST_THREADS, 1) == (MOST_THREADS, 1)


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['touch done']", "!foo bar"])
def test_a_tag_in_an_experiment_makes_nothing(tag, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("conf/experiment").mkdir(parents=True)
    Path("conf/experiment/evil.yaml").write_text(f"model: {tag}\n")
    with pytest.raises(ConfigError, match=r"evil\.yaml"):
        compose_config("run", ["experiment=evil", "dataset=synthetic"])
    assert not Path("done").exists()


def test_passwords_are_not_kept_of_a_sweep(tmp_path):
    kept = tmp_path / KEPT
    kept.write_text("task:\n- model.weights='https://me:s3cret@h/net.pth?token=s3cret'\n- limit=4\n")
    hide_secrets(tmp_path)
    assert kept.read_text() == "task:\n- model.weights='https://***@h/net.pth?token=***'\n- limit=4\n"
    hide_secrets(tmp_path / "nowhere")
