"""Records handed over to a real MLflow store and to TensorBoard's own reader."""

from __future__ import annotations

import pytest

from faceport.errors import ConfigError, FaceportError
from tests.plugins.test_report import record, write

log = pytest.importorskip("faceport_log.verb")


def handed(folder, **where):
    return log.Log(log.LogOptions([str(folder)], **where)).act({})


def test_mlflow_gets_parameters_metrics_and_files_once(tmp_path):
    tracking = pytest.importorskip("mlflow.tracking")
    pytest.importorskip("sqlalchemy")
    runs = tmp_path / "runs"
    write(runs, record(0.8), record(0.7, status="failed", reason="no room", precision="int8"))
    (runs / "r0" / "predictions.jsonl").write_text("{}\n")
    address = f"sqlite:///{tmp_path}/mlflow.db"
    assert [(one.new, one.known) for one in handed(runs, mlflow=address).logged] == [(2, 0)]
    write(tmp_path / "more", record(0.9))
    again = log.Log(log.LogOptions([str(runs), str(tmp_path / "more")], mlflow=address)).act({})
    assert [(one.new, one.known) for one in again.logged] == [(1, 2)]

    client = tracking.MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name("faceport")
    kept = {
        run.data.metrics["widerface_ap.hard"]: run for run in client.search_runs([experiment.experiment_id])
    }
    assert sorted(kept) == [0.7, 0.8, 0.9]
    good, bad = kept[0.8], kept[0.7]
    assert (
        good.data.params["model"] == "retinaface_mobilenet" and good.data.params["target.precision"] == "fp32"
    )
    assert good.data.metrics["size.mb"] == 2.0 and good.info.status == "FINISHED"
    files = sorted(one.path for one in client.list_artifacts(good.info.run_id))
    assert files == ["predictions.jsonl", "record.json"]
    assert bad.info.status == "FAILED" and bad.data.tags["faceport.reason"] == "no room"


def test_tensorboard_reads_numbers_and_options(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    write(tmp_path / "runs", record(0.8))
    board = tmp_path / "board"
    assert [one.new for one in handed(tmp_path / "runs", tensorboard=str(board)).logged] == [1]
    assert [one.new for one in handed(tmp_path / "runs", tensorboard=str(board)).logged] == [0]
    (folder,) = board.iterdir()
    assert (folder / "record.json").is_file()
    events = reader.EventAccumulator(str(folder))
    events.Reload()
    assert events.Scalars("widerface_ap/hard")[0].value == pytest.approx(0.8)
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    said = plugin.HParamsPluginData.FromString(content).session_start_info.hparams
    assert said["target.precision"].string_value == "fp32"


def test_what_cannot_be_handed_over_is_said(tmp_path):
    write(tmp_path / "runs", record())
    with pytest.raises(ConfigError, match="say where to"):
        handed(tmp_path / "runs")
    pytest.importorskip("mlflow.tracking")
    with pytest.raises(FaceportError, match="cannot be used: .* mlflow=sqlite:///mlflow.db"):
        handed(tmp_path / "runs", mlflow="nonsense://x")
    with pytest.raises(FaceportError, match="no record to hand over"):
        (tmp_path / "none").mkdir()
        handed(tmp_path / "none", tensorboard=str(tmp_path / "b"))
