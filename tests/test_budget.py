"""An accuracy budget, from the command line: nodes in float, found, recorded and used again."""

import json
import re
from pathlib import Path

import pytest

from tests.cli import SMALL, faceport

INT8 = ["target=onnxruntime", "target.precision=int8", "metric=agreement", "metric.agreement.threshold=0.0"]


def record_of(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Search once, for half of what plain int8 loses."""
    folder = tmp_path_factory.mktemp("budget")
    words = ["run", *SMALL, *INT8, "dataset.count=4", "calibration.samples=4"]
    faceport(*words, "record=plain/record.json", folder=folder)
    numbers = record_of(folder / "plain")["metrics"]["agreement"]
    lost = max(1 - numbers["ap"], 1 - numbers["box_iou"], numbers["point_share"])
    assert lost > 1e-3, "plain int8 loses nothing, there is nothing to find"
    said = faceport(
        *words, f"target.accuracy_budget={lost / 2:.4g}", "record=kept/record.json", folder=folder
    )
    return folder, words, lost / 2, said


def test_the_budget_is_kept_by_the_numbers_of_the_run(found):
    folder, _, allowed, said = found
    record = record_of(folder / "kept")
    budget, numbers = record["budget"], record["metrics"]["agreement"]
    assert budget["within"] and 0 < len(budget["excluded"]) < budget["candidates"]
    assert set(budget["float"]) == {f"agreement.{n}" for n in ("ap", "box_iou", "point_share")}
    for name, value in budget["float"].items():
        assert abs(numbers[name.partition(".")[2]] - value) <= allowed * 1.001
        assert numbers[name.partition(".")[2]] == pytest.approx(budget["kept"][name], abs=1e-6)
    assert record["artifacts"]["retinaface"]["runs_as"]["precision"] == "int8"
    assert f"{len(budget['excluded'])} of {budget['candidates']} nodes in float" in said


def test_the_list_can_be_used_again(found):
    folder, words, _, said = found
    path = re.search(r"\$\(cat (\S+?)\)", said.replace("\n", "")).group(1)
    listed = (folder / path).read_text().strip()
    kept = record_of(folder / "kept")
    assert re.findall(r'"([^"]+)"', listed) == kept["budget"]["excluded"]
    faceport(*words, f"target.exclude={listed}", "record=again/record.json", folder=folder)
    again = record_of(folder / "again")
    for name in kept["budget"]["float"]:
        number = kept["metrics"]["agreement"][name.partition(".")[2]]
        assert again["metrics"]["agreement"][name.partition(".")[2]] == pytest.approx(number, abs=1e-6)


def test_a_metric_of_labels_is_watched_where_there_are_labels(found):
    folder, *_ = found
    words = ["run", *SMALL, "target=onnxruntime", "target.precision=int8", "dataset.count=4"]
    said = faceport(*words, "target.accuracy_budget=1", "record=labels/record.json", folder=folder)
    assert "accuracy_budget=1 on 4 of the run's pictures with no node in float" in " ".join(said.split())
    budget = record_of(folder / "labels")["budget"]
    assert budget["excluded"] == [] and budget["within"]
    assert set(budget["float"]) == {f"widerface_ap.{level}" for level in ("easy", "medium", "hard")}
