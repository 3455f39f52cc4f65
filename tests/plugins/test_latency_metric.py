"""Latency: what the run measured, and nothing where nobody measured."""

import json

import pytest

from faceport.engine.timing import TOTAL as CORE_TOTAL
from faceport.engine.timing import Stages
from faceport.errors import FaceportError
from faceport_latency.metric import TOTAL, Latency
from tests.cli import SMALL, faceport


def timing(pictures: int = 4) -> dict:
    """Time pictures that take 1 ms to decode and 10 ms in all; one run of the network serves two."""
    stages = Stages()
    for _ in range(pictures):
        stages.add("decode", 1e-3)
        stages.add(CORE_TOTAL, 1e-2)
    for _ in range(pictures // 2):
        stages.add("network:tiny", 6e-3, items=2)
    return {"samples": pictures, "samples_per_second": 100.0, "stages": stages.summary()}


def test_percentiles_of_the_whole_and_of_each_stage():
    found = Latency().of_run({"timing": timing()})
    assert TOTAL == CORE_TOTAL
    assert found["mean_ms"] == pytest.approx(10, rel=1e-3)
    for name in ("p50_ms", "p90_ms", "p99_ms"):
        assert found[name] == pytest.approx(10, rel=0.01)
    assert (found["pictures"], found["pictures_per_second"]) == (4, 100)
    assert found["stages"].keys() == {"decode", "network:tiny"}
    assert found["stages"]["network:tiny"]["mean_ms"] == pytest.approx(6, rel=1e-3)
    assert found["stages"]["network:tiny"]["mean_ms_per_item"] == pytest.approx(3, rel=1e-3)
    assert Latency().compute([]) == {}


def test_a_continuation_with_nothing_left_has_no_times():
    found = Latency().of_run({"timing": {"samples": 0, "samples_per_second": None, "stages": {}}})
    assert found == {"pictures": 0, "stages": {}}


def test_predictions_from_elsewhere_have_no_times():
    with pytest.raises(FaceportError, match="without the record of their run"):
        Latency().of_run({})


def test_from_the_command_line(tmp_path):
    faceport("run", *SMALL, "dataset.count=5", "metric=latency", "record=run.json", folder=tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    found = record["metrics"]["latency"]
    assert found["pictures"] == 5
    assert found["stages"].keys() == {"decode", "preprocess", "network:retinaface", "postprocess"}
    parts = sum(stage["mean_ms"] for stage in found["stages"].values())
    assert found["mean_ms"] >= parts * 0.99, "a picture cannot be done before its stages are"
    (run,) = (path.parent for path in tmp_path.glob("runs/*/predictions.jsonl"))
    words = ["score", "dataset=synthetic", "dataset.count=5", "metric=latency"]
    faceport(*words, f"predictions={run}", "record=score.json", folder=tmp_path)
    assert json.loads((tmp_path / "score.json").read_text())["metrics"]["latency"] == found
    (tmp_path / "moved.jsonl").write_bytes((run / "predictions.jsonl").read_bytes())
    said = faceport(*words, "predictions=moved.jsonl", folder=tmp_path, code=1)
    assert "without the record of their run" in said
