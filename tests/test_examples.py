"""The plugins under examples/ as a third party would ship them: wheels, installed somewhere else."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli import faceport, kit
from tests.conftest import ROOT

SMALL = ("faceport-example-model", "faceport-example-target", "faceport-example-metric")
EXAMPLES = (*SMALL, "faceport-example-dataset", "faceport-example-verb", "faceport-example-mailbox")
MODEL, TARGET = "model=example_points", "target=example_numpy"


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> list[Path]:
    """Build one wheel for each example, out of the tree so that nothing is left in it."""
    folder = tmp_path_factory.mktemp("examples")
    for name in EXAMPLES:
        shutil.copytree(ROOT / "examples" / name, folder / name)
    sources = [str(folder / name) for name in EXAMPLES]
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), *sources)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheels, tmp_path_factory) -> str:
    """Install the wheels into a folder of their own."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--no-index", "--no-deps", "--target", str(folder), *map(str, wheels))
    return str(folder)


@pytest.mark.parametrize("name", SMALL)
def test_examples_are_as_small_as_promised(name):
    folder = ROOT / "examples" / name
    files = sorted(
        path.suffix for path in folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    )
    assert files == [".md", ".py", ".py", ".toml", ".yaml"]
    [module] = (path for path in folder.rglob("*.py") if path.stem != "__init__")
    assert sum(bool(line.strip()) for line in module.read_text().splitlines()) < 60
    assert len((folder / "README.md").read_text().splitlines()) <= 15


def test_wheels_hold_their_options(wheels):
    assert len(wheels) == len(EXAMPLES)
    for wheel in wheels:
        found = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".yaml")}
        source = ROOT / "examples" / wheel.name.partition("-")[0].replace("_", "-") / "src"
        assert found == {str(path.relative_to(source)) for path in source.rglob("*.yaml")}
        assert found


def test_conformance_kit_passes_from_anywhere(site, tmp_path):
    done = kit("example_", tmp_path, site)
    assert done.returncode == 0, done.stdout[-4000:]
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed > 60, "all plugins are tested, each in every way"
    reasons = re.findall(r"^SKIPPED .*?: (.*)$", done.stdout, re.MULTILINE)
    known = {
        "its networks run on a machine that cannot be called from here",
        "this dataset has no official format",
    }
    assert {*reasons} == known, done.stdout[-1000:]


def test_they_are_listed_beside_the_others(site, tmp_path):
    listed = faceport("list", folder=tmp_path, PYTHONPATH=site)
    assert "example_points" in listed and "example_numpy" in listed and "onnxruntime" in listed
    assert "endure" in listed and "damage:\n  blur  Out of focus\n  dark  Too little light\n" in listed
    assert re.search(r"(?m)^  damage +what spoils pictures, for faceport endure$", listed)
    assert "broken" not in listed
    assert "faceport-example-model 0.1.0" in faceport("list", MODEL, folder=tmp_path, PYTHONPATH=site)
    assert (
        faceport("--complete", "run", "target=example_n", folder=tmp_path, PYTHONPATH=site)
        == "target=example_numpy\n"
    )


def test_they_run_together(site, tmp_path):
    words = [
        "run",
        MODEL,
        TARGET,
        "dataset=synthetic",
        "dataset.count=3",
        "batch_size=2",
        "record=record.json",
    ]
    shown = faceport(*words, folder=tmp_path, PYTHONPATH=site)
    assert "weights of example_points are random" in shown
    assert "was asked for" not in shown  # a target without the option has been asked for nothing else
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["status"] == "done"
    assert record["samples"]["predicted"] == 3
    assert record["artifacts"]["example_points"]["runs_as"]["runtime"] == "onnx.reference"
    assert record["versions"]["faceport-example-target"] == "0.1.0"


def test_the_dataset_and_the_metric_run_together(site, tmp_path):
    sample = Path(site) / "faceport_example_dataset" / "sample"
    words = ["run", "model=retinaface_mobilenet", "model.weights=random", "model.size=64"]
    words += ["dataset=example_boxes", f"dataset.root={sample}", "record=record.json"]
    faceport(*words, folder=tmp_path, PYTHONPATH=site)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["metrics"]["example_count"]["pictures"] == 2
    assert 0 <= record["metrics"]["example_count"]["right"] <= 1
    said = faceport(
        *words,
        "metric=example_count",
        "metric.example_count.confidence=2",
        folder=tmp_path,
        code=1,
        PYTHONPATH=site,
    )
    assert "option 'confidence' is 2.0, it must lie in 0..1" in said


def test_they_run_with_the_others(site, tmp_path):
    detector = ["detector=retinaface_mobilenet", "detector.weights=random", "detector.size=96"]
    faceport(
        "run",
        MODEL,
        *detector,
        "target=onnxruntime",
        "dataset=synthetic",
        "dataset.count=2",
        "record=record.json",
        folder=tmp_path,
        PYTHONPATH=site,
    )
    record = json.loads((tmp_path / "record.json").read_text())
    assert sorted(record["artifacts"]) == ["example_points", "retinaface"]


def test_a_model_that_needs_boxes_says_so(site, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"")
    said = faceport("predict", "photo.jpg", MODEL, folder=tmp_path, code=1, PYTHONPATH=site)
    assert "must be told boxes" in said and "detector=" in said


ENDURE = [
    *("endure", "model=retinaface_mobilenet", "model.weights=random", "model.size=160"),
    *("dataset=synthetic", "limit=2"),
]


def test_the_verb_acts(site, tmp_path):
    said = faceport(*ENDURE, "damage=dark", "damage.light=1", folder=tmp_path, PYTHONPATH=site)
    found = re.search(r"dark: of (\d+) faces in 2 pictures, (\d+) are found again", said)
    assert found and int(found[1]) > 0 and found[1] == found[2], "with all the light nothing is lost"
    said = faceport(*ENDURE, "damage=dark", "damage.light=0", folder=tmp_path, PYTHONPATH=site)
    assert int(re.search(r"(\d+) are found again", said)[1]) < int(found[1])


def test_the_verb_has_help_and_completion(site, tmp_path):
    assert re.search(
        r"^  endure +count which faces", faceport("--help", folder=tmp_path, PYTHONPATH=site), re.MULTILINE
    )
    said = faceport("endure", "--help", folder=tmp_path, PYTHONPATH=site)
    assert said.startswith("faceport endure model=NAME") and "  damage:   blur, dark" in said
    for words, wanted in (
        (["end"], "endure"),
        (["endure", "dam"], "damage="),
        (["endure", "damage="], "damage=blur\ndamage=dark"),
        (["endure", "damage=dark", "damage."], "damage.light="),
        (["endure", "over"], "overlap="),
        (["list", "dam"], "damage\ndamage="),
    ):
        assert faceport("--complete", *words, folder=tmp_path, PYTHONPATH=site) == f"{wanted}\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["damage=dark", "damage.ligt=1"], "damage 'dark' has no option 'ligt'"),
        (["damage=dark", "damage.light=2"], "light is 2, it must lie in 0..1"),
        (["damage=dark", "overlap=0"], "overlap is 0, it must lie in 0..1"),
        (["damage=dark", "overlp=0"], "`faceport endure` has no option 'overlp'. Did you mean overlap"),
        (["damage=drak"], "could not find damage 'drak'. Did you mean dark?"),
        ([], "choose a damage: damage=NAME. Available: blur, dark."),
    ],
)
def test_the_verb_refuses_in_sentences(words, reason, site, tmp_path):
    said = faceport(*ENDURE, *words, folder=tmp_path, code=1, PYTHONPATH=site)
    assert said.startswith("error: ") and len(said.strip().splitlines()) == 1 and reason in said


@pytest.mark.parametrize("words", [["--help"], ["list"], ["endure", "--help"], ["--complete", "endure", ""]])
def test_the_verb_costs_nothing_until_it_is_called(words, site, tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "faceport", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": site, "FACEPORT_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "faceport" in imported, "the measurement works"
    assert not {one for one in imported if one.startswith(("faceport_example_verb", "torch", "cv2"))}
