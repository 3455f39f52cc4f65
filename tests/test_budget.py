"""An accuracy budget, from the command line: nodes in float, found, recorded and used again."""

import json
import re
from pathlib import Path

import pytest

from tests.cli import SMALL, faceport

INT8 = ["target=onnxruntime", "target.precision=int8", "metric=agreement", "metric.agreement.threshold=0.0"]


def record_of(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


@pytest.mark.slow
def test_a_budget_is_kept_and_its_list_can_be_used_again(tmp_path):
    words = ["run", *SMALL, *INT8, "dataset.count=4", "calibration.samples=4"]
    faceport(*words, "record=plain/record.json", folder=tmp_path)
    numbers = record_of(tmp_path / "plain")["metrics"]["agreement"]
    lost = max(1 - numbers["ap"], 1 - numbers["box_iou"], numbers["point_share"])
    assert lost > 1e-3, "plain int8 loses nothing, there is nothing to find"
    asked = f"target.accuracy_budget={lost / 2:.4g}"
    said = faceport(*words, asked, "record=kept/record.json", folder=tmp_path)

    kept = record_of(tmp_path / "kept")
    budget, numbers = kept["budget"], kept["metrics"]["agreement"]
    assert budget["within"] and 0 < len(budget["excluded"]) < budget["candidates"]
    assert set(budget["float"]) == {f"agreement.{name}" for name in ("ap", "box_iou", "point_share")}
    for name, value in budget["float"].items():
        assert abs(numbers[name.partition(".")[2]] - value) <= lost / 2 * 1.001
        assert numbers[name.partition(".")[2]] == pytest.approx(budget["kept"][name], abs=1e-6)
    assert kept["artifacts"]["retinaface"]["runs_as"]["precision"] == "int8"
    assert f"{len(budget['excluded'])} of {budget['candidates']} nodes in float" in " ".join(said.split())

    path = re.search(r"\$\(cat (\S+?)\)", said.replace("\n", "")).group(1)
    listed = (tmp_path / path).read_text().strip()
    assert re.findall(r'"([^"]+)"', listed) == budget["excluded"]
    faceport(*words, f"target.exclude={listed}", "record=again/record.json", folder=tmp_path)
    again = record_of(tmp_path / "again")["metrics"]["agreement"]
    for name in budget["float"]:
        assert again[name.partition(".")[2]] == pytest.approx(numbers[name.partition(".")[2]], abs=1e-6)


def test_a_metric_of_labels_is_watched_where_there_are_labels(tmp_path):
    words = ["run", *SMALL, "target=onnxruntime", "target.precision=int8", "dataset.count=4"]
    said = " ".join(
        faceport(*words, "target.accuracy_budget=1", "record=labels/record.json", folder=tmp_path).split()
    )
    budget = record_of(tmp_path / "labels")["budget"]
    assert "int8 stays within accuracy_budget=1 on 4 of the run's pictures, widerface_ap." in said
    assert f"(in fp32 {budget['float']['widerface_ap.easy']:.4g})" in said and "with no node in float" in said
    assert budget["excluded"] == [] and budget["within"]
    assert set(budget["float"]) == {f"widerface_ap.{level}" for level in ("easy", "medium", "hard")}
