"""Rockchip's NPUs, by a simulated toolkit and by the real one where there is one."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceport.api import Artifact
from faceport.errors import ConfigError, FaceportError, MissingError
from faceport.networks.parity import compare
from faceport.plugins.loading import create
from tests.plugins.toys import build, builder, images, network, reference, unsupported
from tests.simulated import rknn

pytest.importorskip("onnxruntime")
PIXELS = {"mean": [104, 117, 123], "std": [1, 1, 1], "colour": "BGR", "layout": "NCHW"}


@pytest.fixture(params=["simulated", "real"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a Python with a toolkit; FACEPORT_RKNN names one that has the real one."""
    if request.param == "simulated":
        return rknn.python(tmp_path_factory.mktemp("python"))
    if "FACEPORT_RKNN" not in os.environ:
        pytest.skip("FACEPORT_RKNN names no Python that has rknn-toolkit2")
    return Path(os.environ["FACEPORT_RKNN"])


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    return rknn.python(tmp_path)


def target(python: Path, **options: Any) -> Any:
    return create("target", "rknn", **{"chip": "rk3588", "python": str(python), "tolerance": 1e3, **options})


def test_the_chip_must_be_chosen_from_the_table(simulated: Path) -> None:
    with pytest.raises(ConfigError, match="'chip' must be given"):
        create("target", "rknn")
    with pytest.raises(ConfigError, match="'chip' is 'rk3589'. Did you mean rk3588"):
        target(simulated, chip="rk3589")
    with pytest.raises(ConfigError, match="'limit' is 0"):
        target(simulated, limit=0)
    assert target(simulated, chip="rv1106").recipe()["chip"] == "rv1106"


def test_what_is_not_there_is_named_with_its_cure(tmp_path: Path, simulated: Path) -> None:
    assert target(simulated).missing() == "" and target(simulated).recipe()["rknn-toolkit2"] == "2.5.0"
    assert "is not there: faceport doctor target=rknn install=true" in target(tmp_path / "gone").missing()
    bare = tmp_path / "bare"
    bare.write_text(simulated.read_text().replace(str(rknn.SITE), ""))
    bare.chmod(0o755)
    assert f"{bare} has no rknn-toolkit2: faceport doctor" in target(bare).missing()
    assert target(bare).recipe()["rknn-toolkit2"] == ""


@pytest.mark.parametrize(("precision", "least"), [("fp16", 40), ("int8", 20)])
def test_each_precision_is_as_exact_as_it_can_be(
    python: Path, precision: str, least: float, tmp_path: Path
) -> None:
    made = network("fixed")
    kit = builder(target(python, precision=precision), "rknn", made, tmp_path)
    built = kit.build()
    session = built.sessions["fixed"]
    facts = session.facts
    assert (facts["precision"], facts["device"], facts["version"]) == (precision, "RK3588", "2.5.0")
    assert facts["simulated"].startswith("Rockchip's simulation")
    assert next(built.artifacts["fixed"].path.rglob("network.rknn")).stat().st_size > 0
    (call,) = kit.trials.calls(made)[:1]
    assert len(session.run(images(3, 3, 16, 16))["mean"]) == 3  # of a network that takes one row
    found = compare(reference(made, call)["mean"], session.run(call)["mean"])
    assert least < found["snr_db"] < 150
    built.close()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_pixels_and_floats_give_the_same(python: Path, precision: str, tmp_path: Path) -> None:
    made = replace(
        network("fixed"), preprocessing={"mean": 128, "std": 128, "colour": "RGB", "layout": "NCHW"}
    )
    answers = []
    call = {"image": (np.random.default_rng(2).integers(0, 256, (1, 3, 16, 16)) / 128 - 1).astype(np.float32)}
    for pixels in (False, True):
        options = target(python, precision=precision, pixels=pixels)
        built = build(options, "rknn", made, tmp_path)
        assert ("takes" in built.sessions["fixed"].facts) == pixels
        answers.append(built.sessions["fixed"].run(call)["mean"])
        built.close()
    np.testing.assert_allclose(*answers, rtol=0, atol=np.abs(answers[0]).max() * 2e-3)


def test_values_between_pixels_are_refused(simulated: Path, tmp_path: Path) -> None:
    made = replace(network("fixed"), preprocessing={"mean": 128, "std": 128, "colour": "RGB"})
    session = build(target(simulated, pixels=True), "rknn", made, tmp_path).sessions["fixed"]
    with pytest.raises(FaceportError, match="values between or beyond them"):
        session.run(images(1, 3, 16, 16))
    session.close()


def test_a_network_that_says_nothing_of_pixels_takes_none(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match="says no mean, std and colour"):
        build(target(simulated, pixels=True), "rknn", network("fixed"), tmp_path)


def test_excluded_nodes_stay_in_float(python: Path, tmp_path: Path) -> None:
    made = network("fixed")
    options = target(python, precision="int8", exclude=["/4/Gemm"])
    kit = builder(options, "rknn", made, tmp_path)
    built = kit.build()
    assert built.sessions["fixed"].facts["float16_nodes"].startswith("1 of ")
    (call,) = kit.trials.calls(made)[:1]
    found = compare(reference(made, call)["mean"], built.sessions["fixed"].run(call)["mean"])
    assert found["snr_db"] > 20
    built.close()


def test_free_sizes_are_compiled_one_by_one(python: Path, tmp_path: Path) -> None:
    made = network("free")
    built = build(target(python), "rknn", made, tmp_path)
    session = built.sessions["free"]
    assert session.facts["sizes"] and session.facts["batch"] == "1"
    call = images(2, 3, 20, 28)
    assert compare(reference(made, call)["heat"], session.run(call)["heat"])["snr_db"] > 40
    built.close()


def test_an_artifact_for_another_chip_is_refused(simulated: Path, tmp_path: Path) -> None:
    built = build(target(simulated), "rknn", network("fixed"), tmp_path)
    built.close()
    artifact = built.artifacts["fixed"]
    about = next(artifact.path.rglob("about.json"))
    about.write_text(json.dumps({**json.loads(about.read_text()), "chip": "rk3576"}))
    with pytest.raises(FaceportError, match="compiled for rk3576, not for rk3588"):
        target(simulated).open(Artifact(about.parent, artifact.network, {}))


def test_what_the_toolkit_refuses_is_one_sentence(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(
        FaceportError, match=r"cannot compile network 'nonesuch': .*op type 'Nonesuch'"
    ) as told:
        build(target(simulated), "rknn", unsupported(tmp_path), tmp_path)
    assert "Traceback" not in str(told.value) and "\n" not in str(told.value)


def test_a_python_without_the_toolkit_is_refused_before_anything(tmp_path: Path) -> None:
    from faceport.artifacts.builder import require_usable

    with pytest.raises(MissingError, match="target=rknn cannot be used: .* is not there"):
        require_usable(target(tmp_path / "gone"), "rknn")
