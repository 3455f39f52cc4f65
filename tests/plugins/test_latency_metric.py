"""Latency: what the run measured, and nothing where nobody measured."""

import json

import pytest

from faceport.engine.timing import IN_ENGINE, SERVICE, Stages
from faceport.errors import FaceportError
from faceport_latency.metric import WHOLE, Latency
from tests.cli import SMALL, faceport


def timing(pictures: int = 50) -> dict:
    """Time pictures of 1 ms of decoding, 4 ms of work and 10 ms in all; a run of the network serves two."""
    stages = Stages()
    for _ in range(pictures):
        stages.sample("", [("decode", 1e-3), (SERVICE, 4e-3), (IN_ENGINE, 1e-2)])
    for _ in range(pictures // 2):
        stages.batch("tiny", 6e-3, 2)
    loaded = {"workers": 2, "in_flight": 5, "batch_size": 2, "streams": 2, "threads": 1, "warm_up": 0}
    speed = {"samples": pictures, "samples_per_second": 100.0}
    return {**speed, "stages": stages.summary(), "loaded": loaded}


def test_times_of_the_whole_and_of_each_stage():
    found = Latency().of_run({"timing": timing()})
    assert WHOLE == (SERVICE, IN_ENGINE)
    for name in ("mean_ms", "p50_ms", "p90_ms"):
        assert found[f"time_in_engine_{name}"] == pytest.approx(10, rel=0.01)
        assert found[f"service_time_{name}"] == pytest.approx(4, rel=0.01)
    assert (found["pictures"], found["pictures_per_second"]) == (50, 100)
    assert found["stages"].keys() == {"decode", "network:tiny"}
    assert found["stages"]["network:tiny"]["mean_ms"] == pytest.approx(6, rel=1e-3)
    assert found["stages"]["network:tiny"]["mean_ms_per_item"] == pytest.approx(3, rel=1e-3)
    assert Latency().compute([]) == {}


def test_percentiles_of_too_few_pictures_are_not_told():
    found = Latency().of_run({"timing": timing()})
    assert "time_in_engine_p99_ms" not in found
    assert found["stages"]["network:tiny"].keys() == {"mean_ms", "p50_ms", "mean_ms_per_item"}
    few = Latency().of_run({"timing": timing(pictures=4)})
    assert {name for name in few if name.startswith("time")} == {"time_in_engine_mean_ms"}


def test_the_load_under_which_it_was_measured_is_said():
    found = Latency().of_run({"timing": timing()})
    assert found["protocol"] == "v2, 2 workers, 5 in flight, 2 in a batch, threads=1"
    assert found["loaded"]["in_flight"] == 5


def test_a_continuation_with_nothing_left_has_no_times():
    found = Latency().of_run({"timing": {"samples": 0, "samples_per_second": None, "stages": {}}})
    assert found == {"pictures": 0, "loaded": {}, "stages": {}}


def test_predictions_from_elsewhere_have_no_times():
    with pytest.raises(FaceportError, match="without the record of their run"):
        Latency().of_run({})


def test_from_the_command_line(tmp_path):
    alone = ["workers=1", "in_flight=1"]  # else runs of pictures that warm up are timed, or not, by chance
    faceport("run", *SMALL, *alone, "dataset.count=5", "metric=latency", "record=run.json", folder=tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    found = record["metrics"]["latency"]
    assert found["pictures"] == 5
    assert found["stages"].keys() == {"decode", "preprocess", "network:retinaface", "postprocess"}
    parts = sum(stage["mean_ms"] for stage in found["stages"].values())
    assert found["service_time_mean_ms"] == pytest.approx(parts, rel=0.01), "each picture has its own runs"
    within = found["time_in_engine_mean_ms"]
    assert within >= found["service_time_mean_ms"] * 0.99, "a picture cannot be done before its stages are"
    (run,) = (path.parent for path in tmp_path.glob("runs/*/predictions.jsonl"))
    words = ["score", "dataset=synthetic", "dataset.count=5", "metric=latency"]
    faceport(*words, f"predictions={run}", "record=score.json", folder=tmp_path)
    assert json.loads((tmp_path / "score.json").read_text())["metrics"]["latency"] == found
    (tmp_path / "moved.jsonl").write_bytes((run / "predictions.jsonl").read_bytes())
    said = faceport(*words, "predictions=moved.jsonl", folder=tmp_path, code=1)
    assert "without the record of their run" in said
