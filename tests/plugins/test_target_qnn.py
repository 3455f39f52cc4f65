"""Qualcomm's NPU by its emulator: every trap that was met on the way."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceport.api import Artifact
from faceport.errors import ConfigError, FaceportError
from faceport.networks.parity import compare
from faceport.plugins.loading import create
from tests.plugins.toys import build, builder, images, network, reference

pytest.importorskip("onnxruntime_qnn")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store for all tests: Qualcomm's compiler takes seconds, and twice the same is compiled once."""
    return tmp_path_factory.mktemp("store")


def target(**options: Any) -> Any:
    return create("target", "qnn", **{"chip": "sm8650", "tolerance": 1e3, **options})


def test_the_chip_must_be_chosen_from_the_table() -> None:
    with pytest.raises(ConfigError, match="'chip' must be given"):
        create("target", "qnn")
    with pytest.raises(ConfigError, match="'chip' is 'sm8651'. Did you mean sm8650"):
        target(chip="sm8651")
    assert target(chip="sm8450").recipe()["chip"] == "sm8450"


@pytest.mark.parametrize(("precision", "least"), [("fp16", 40), ("int16", 30), ("int8", 20)])
def test_each_precision_is_as_exact_as_it_can_be(precision: str, least: float, store: Path) -> None:
    made = network("fixed")
    kit = builder(target(precision=precision), "qnn", made, store)
    session = kit.build().sessions["fixed"]
    facts = session.facts
    assert facts["precision"] == precision and facts["device"] == "SM8650 (Hexagon v75)"
    assert facts["simulated"] == "Qualcomm's emulator"
    (call,) = kit.trials.calls(made)[:1]
    assert len(session.run(images(3, 3, 16, 16))["mean"]) == 3  # of a network that takes one row
    found = compare(reference(made, call)["mean"], session.run(call)["mean"])
    assert least < found["snr_db"] < 150


def test_excluded_nodes_get_sixteen_bits(tmp_path: Path) -> None:
    made = network("fixed")
    options = target(precision="int8", exclude=["/0/Conv"])
    facts = build(options, "qnn", made, tmp_path).sessions["fixed"].facts
    assert facts["int8_layers"] == "1 of 2" and facts["int16_nodes"].startswith("1 of ")


def test_free_sizes_are_compiled_one_by_one(tmp_path: Path) -> None:
    made = network("free")
    session = build(target(), "qnn", made, tmp_path).sessions["free"]
    assert session.facts["sizes"] and session.facts["batch"] == "1"
    call = images(2, 3, 20, 28)
    assert compare(reference(made, call)["heat"], session.run(call)["heat"])["snr_db"] > 40


def test_the_artifact_is_the_same_each_time_and_runs_in_a_fresh_process(
    store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = network("fixed")
    places, answers = [], []
    call = images(1, 3, 16, 16)
    for place in (store, tmp_path):
        built = build(target(precision="int8"), "qnn", made, place)
        places.append(next(built.artifacts["fixed"].path.rglob("model.ctx.onnx")))
        answers.append(built.sessions["fixed"].run(call)["mean"])
    first, second = (hashlib.sha256(place.read_bytes()).hexdigest() for place in places)
    assert first == second and places[0] != places[1]
    said = capfd.readouterr()
    assert "LIBNATIVE" not in said.out + said.err
    np.save(tmp_path / "call.npy", call["image"])
    script = (
        "import sys, numpy\n"
        "from faceport_qnn.options import QnnOptions\n"
        "from faceport_qnn.provider import open_session\n"
        "session = open_session(sys.argv[1], QnnOptions(chip='sm8650', precision='int8'), {})\n"
        "numpy.save(sys.argv[3], session.run(None, {'image': numpy.load(sys.argv[2])})[0])\n"
    )
    words = [str(places[0]), str(tmp_path / "call.npy"), str(tmp_path / "answer.npy")]
    subprocess.run([sys.executable, "-c", script, *words], check=True)
    assert np.array_equal(np.load(tmp_path / "answer.npy"), answers[0])


def test_an_artifact_for_another_chip_is_refused(store: Path, tmp_path: Path) -> None:
    made = network("fixed")
    artifact: Artifact = build(target(), "qnn", made, store).artifacts["fixed"]
    copy = shutil.copytree(artifact.path, tmp_path / "copy")
    about = next(copy.rglob("about.json"))
    about.write_text(json.dumps({**json.loads(about.read_text()), "chip": "sm8450"}))
    with pytest.raises(FaceportError, match="compiled for sm8450, not for sm8650"):
        target().open(Artifact(about.parent, artifact.network, {}))


def test_a_node_that_the_npu_has_not_is_named(tmp_path: Path) -> None:
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 2, 3)

        def forward(self, image):  # type: ignore[no-untyped-def]
            return self.first(image)[:, :, :2, :2].det()

    with pytest.raises(FaceportError, match="the NPU has no Det as node '/Det' wants it"):
        build(target(), "qnn", network("fixed", Net), tmp_path)


def test_the_time_of_an_emulator_is_no_latency() -> None:
    metric = create("metric", "latency")
    timing = {"stages": {}, "samples_per_second": 3.0, "samples": 5}
    record = {"timing": timing, "artifacts": {"one": {"runs_as": {"simulated": "an emulator"}}}}
    assert metric.of_run(record) == {"protocol": "v2, not measured: an emulator stood in for the hardware"}
    assert metric.of_run({"timing": timing})["pictures_per_second"] == 3.0
