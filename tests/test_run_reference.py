"""Agreement from the command line: the core runs the fp32 reference on the same pictures by itself."""

import json
from pathlib import Path

import pytest

from tests.cli import faceport

MODEL = ["model=retinaface_mobilenet", "model.weights=random", "model.confidence=0", "model.keep_top_k=10"]
WORDS = [*MODEL, "model.size=96", "dataset=synthetic"]
ASKED = ["metric=agreement", "metric.agreement.threshold=0"]


def record_of(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("agreement")
    faceport("run", *WORDS, *ASKED, "dataset.count=5", "record=one.json", folder=folder)
    return folder


def reference(folder: Path) -> Path:
    (found,) = folder.glob("runs/reference-*/predictions.jsonl")
    return found


def test_the_reference_runs_first(folder):
    found = record_of(folder / "one.json")["metrics"]["agreement"]
    assert found["pictures"] == len(reference(folder).read_text().splitlines()) == 5
    assert found["faces"] > 0
    assert found["recall"] == found["precision"] == 1, "fp32 on ONNX Runtime changes nothing"
    assert found["box_iou_min"] > 0.999
    assert found["snr_db"] == found["networks"]["retinaface"] > 80


def test_other_targets_share_it_and_other_models_do_not(folder):
    path = reference(folder)
    whole = path.read_bytes()
    path.write_bytes(b" " + whole)  # the same to a reader, but nobody would write it again like this
    words = ["run", *ASKED, "dataset.count=5"]
    faceport(*words, *WORDS, "target=torch", "record=two.json", folder=folder)
    assert record_of(folder / "two.json")["metrics"]["agreement"]["box_iou_min"] == 1
    assert path.read_bytes() == b" " + whole
    path.write_bytes(whole)
    smaller = [word.replace("model.size=96", "model.size=64") for word in WORDS]
    faceport(*words, *smaller, "out=other", folder=folder)
    faceport(*words, *WORDS, "out=other", folder=folder)
    assert len([*folder.glob("other/reference-*")]) == 2


def test_it_goes_on_where_it_stopped(folder):
    path = reference(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    faceport("run", *WORDS, *ASKED, "dataset.count=5", folder=folder)
    assert reference(folder).read_bytes() == whole


def test_predictions_of_a_tool_are_compared_too(folder):
    words = ["score", "dataset=synthetic", "dataset.count=5", *ASKED, f"predictions={reference(folder)}"]
    said = faceport(*words, folder=folder, code=1)
    assert "choose the model" in said and "metric.agreement.reference" in said
    faceport(*words, *MODEL, "model.size=96", "record=score.json", folder=folder)
    assert record_of(folder / "score.json")["metrics"]["agreement"]["box_iou_min"] == 1


def test_where_torch_is_missing_it_says_what_helps(folder):
    faceport("compile", *MODEL, "model.size=96", "out=board", folder=folder)
    (folder / "without" / "torch").mkdir(parents=True)
    (folder / "without" / "torch" / "__init__.py").write_text("raise ImportError('no torch here')\n")
    words = ["run", "artifact=board", "dataset=synthetic", "dataset.count=5", "out=elsewhere"]
    without = {"folder": folder, "PYTHONPATH": str(folder / "without")}
    said = faceport(*words, *ASKED, code=1, **without)
    assert "torch is needed" in said and "metric.agreement.reference=runs/NAME" in said
    faceport(
        *words, *ASKED, f"metric.agreement.reference={reference(folder)}", "record=board.json", **without
    )
    assert record_of(folder / "board.json")["metrics"]["agreement"]["box_iou_min"] > 0.999
