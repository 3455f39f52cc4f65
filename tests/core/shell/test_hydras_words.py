"""Words of Hydra's: each works, or is refused with what does what was meant."""

import pytest

from faceport.shell.compose import compose_config
from faceport.shell.overrides import expand_experiments, parse
from tests.cli import SMALL, faceport

NIGHT = """\
# @package _global_
defaults:
  - override /model: retinaface_mobilenet
  - override /dataset: synthetic
  - override /metric: [landmarks]
model: {weights: random, size: 64}
missing_allowed: 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in ("night", "day"):
        (tmp_path / "conf/experiment").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"conf/experiment/{name}.yaml").write_text(NIGHT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("hydra.run.dir=x", "does nothing in a single run. Instead: out=DIR names the folder of results"),
        ("hydra.job.chdir=true", "does nothing in a single run. Instead: paths are of the folder"),
        ("hydra.verbose=true", "does nothing in a single run. Instead: FACEPORT_DEBUG=1"),
        ("hydra.mode=MULTIRUN", "does nothing in a single run. Instead: -m makes it a sweep"),
        ("hydra.callbacks={a: 1}", "it is for sweeps: put -m behind the verb"),
        ("+experiment=night", "write it without the +: experiment=night"),
        ("--precision=int8", "without dashes: target.precision=int8"),
        ("precision=int8", "no option 'precision'. Did you mean target.precision=int8?"),
        ("metric=[latency", "lacks a ']'. A list is KEY=[a,b], in quotes where it has blanks"),
    ],
)
def test_each_is_refused_with_what_is_meant(here, word, sentence):
    said = faceport("run", *SMALL, word, folder=here, code=1)
    assert sentence in " ".join(said.split())


def test_a_pattern_of_experiments_is_written_out(here):
    words = expand_experiments([parse("experiment=glob(*)"), parse("limit=1")], [here / "conf"])
    assert [one.word for one in words] == ["experiment=day,night", "limit=1"]
    said = faceport("run", "-m", "experiment=glob(nothing*)", folder=here, code=1)
    assert "fits no experiment" in said and "Available: day, night" in said


def test_an_experiment_for_run_serves_other_verbs(here, capsys):
    config = compose_config("predict", ["experiment=night"])
    assert config["model"]["size"] == 64 and "dataset" not in config and "missing_allowed" not in config
    noted = capsys.readouterr().err
    assert "note: experiment=night sets" in noted and "of no use to `faceport predict`: ignored" in noted
    assert "dataset" in noted and "missing_allowed" in noted
    assert compose_config("run", ["experiment=night"])["missing_allowed"] == 3
    assert not capsys.readouterr().err
