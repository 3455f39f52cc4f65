"""Numbers that lack something say so: missing pictures, metrics that fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli import faceport
from tests.fakes import install

MODEL = ["model=retinaface_mobilenet", "model.weights=random", "model.size=96"]
METRIC = """
from faceport.api import Metric
from faceport.errors import FaceportError
from faceport.hooks import hookimpl


class Fragile(Metric):
    def compute(self, items):
        list(items)
        raise {error}


@hookimpl
def metrics():
    return {{"fragile": Fragile}}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of pictures, one of them broken."""
    faceport("predict", "--help", folder=tmp_path)
    from faceport.data.pictures import write_picture
    from faceport.plugins.loading import create

    (tmp_path / "photos").mkdir()
    for sample in create("dataset", "synthetic", count=3, size=[64, 64]):
        write_picture(tmp_path / "photos" / f"{sample.id}.png", sample.image)
    (tmp_path / "photos" / "z.png").write_bytes(b"\x89PNG\r\n")
    return tmp_path


RUN = ["run", *MODEL, "dataset=folder", "dataset.path=photos", "metric=[latency]", "record=record.json"]


def test_a_picture_that_cannot_be_read_makes_a_run_incomplete(folder):
    said = faceport(*RUN, folder=folder, code=1)
    assert "incomplete: 1 of 4 pictures are missing or cannot be read" in said
    assert "missing_allowed=1" in said
    record = json.loads((folder / "record.json").read_text())
    assert record["status"] == "incomplete" and record["samples"]["unreadable"] == 1
    faceport(*RUN, "missing_allowed=1", folder=folder)
    assert json.loads((folder / "record.json").read_text())["status"] == "done"


@pytest.mark.slow
def test_a_budget_and_a_calibration_count_the_pictures_that_could_be_read(folder):
    from faceport.data.pictures import write_picture
    from faceport.plugins.loading import create

    for sample in create("dataset", "synthetic", count=3, size=[320, 320]):
        write_picture(folder / "photos" / f"{sample.id}.png", sample.image)
    words = [
        *RUN[:3],
        "model.size=320",
        *RUN[4:6],
        "target=onnxruntime",
        "target.precision=int8",
        "missing_allowed=1",
    ]
    words += ["target.accuracy_budget=10", "metric=[agreement]", "metric.agreement.threshold=0.0"]
    said = " ".join(faceport(*words, "record=record.json", folder=folder).split())
    assert "accuracy_budget=10 on 3 of the run's pictures (1 more could not be read), " in said
    assert "its accuracy is flattered" in said
    assert "1 of 4 pictures to calibrate on could not be read: int8 has its ranges from 3" in said
    assert json.loads((folder / "record.json").read_text())["budget"]["pictures"] == 3


def test_a_sweep_marks_it(folder):
    said = faceport("run", "-m", *RUN[1:-1], "batch_size=1,2", folder=folder, code=1)
    assert said.count("incomplete (1)") == 2


@pytest.mark.parametrize("error", ["FaceportError('no face here')", "ZeroDivisionError('division')"])
def test_a_metric_that_fails_costs_itself_only(error, folder):
    site = folder / "site"
    install(
        site,
        "faceport-fragile",
        {
            "fragile/__init__.py": METRIC.format(error=error),
            "fragile/conf/metric/fragile.yaml": "card: {summary: x}\n",
        },
        {"fragile": "fragile"},
    )
    (folder / "photos" / "z.png").unlink()
    words = ["metric=[fragile,latency]" if word.startswith("metric") else word for word in RUN]
    said = faceport(*words, folder=folder, code=1, PYTHONPATH=str(site))
    assert "incomplete: metric fragile:" in said
    record = json.loads((folder / "record.json").read_text())
    assert record["metrics"]["latency"]["pictures"] == 3 and record["parity"]
    assert record["metrics"]["fragile"]["failed"].endswith(("no face here", "ZeroDivisionError: division"))
