import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceport.api import Artifact
from faceport.errors import ConfigError, FaceportError
from faceport.networks.parity import compare, compare_calls, worst
from faceport.plugins.loading import create
from tests.plugins.toys import (
    build,
    builder,
    images,
    missing_without,
    network,
    reference,
    unsupported,
)


def target(**options: Any) -> Any:
    return create("target", "openvino", **options)


def test_any_batch_and_size_in_fp32(tmp_path: Path) -> None:
    made = network("free")
    built = build(target(), "openvino", made, tmp_path)
    session = built.sessions["free"]
    calls = [images(*shape) for shape in ((1, 3, 20, 28), (5, 3, 33, 17), (2, 3, 8, 8))]
    found = session.run_many(calls)
    assert worst(compare_calls([reference(made, call) for call in calls], found))[1] < 1e-4
    assert session.facts["precision"] == "fp32" and session.facts["device"] == "CPU"
    assert built.artifacts["free"].manifest["runs_as"] == session.facts


def test_threads_share_the_requests(tmp_path: Path) -> None:
    made = network("fixed")
    session = build(target(streams=2), "openvino", made, tmp_path).sessions["fixed"]
    calls = [images(1, 3, 16, 16, seed=seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        singly = list(pool.map(session.run, calls))
        many = list(pool.map(session.run_many, [calls[i : i + 10] for i in range(0, 40, 10)]))
    wanted = [reference(made, call) for call in calls]
    assert worst(compare_calls(wanted, singly))[1] < 1e-4
    assert worst(compare_calls(wanted, [out for part in many for out in part]))[1] < 1e-4


def test_hints_set_streams(tmp_path: Path) -> None:
    made = network("fixed")
    assert build(target(hint="latency"), "openvino", made, tmp_path).sessions["fixed"].streams == 1
    assert build(target(streams=1, threads=1), "openvino", made, tmp_path).sessions["fixed"].streams == 1
    assert build(target(streams=2, threads=1), "openvino", made, tmp_path).sessions["fixed"].streams == 2


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_the_precision_is_what_the_layers_were_compiled_to(tmp_path: Path, precision: str) -> None:
    made = network("free")
    facts = build(target(precision=precision, allow_fallback=True), "openvino", made, tmp_path)
    runs = facts.sessions["free"].facts["precision"]
    if runs == precision:
        build(target(precision=precision), "openvino", made, tmp_path)
    else:
        with pytest.raises(
            FaceportError, match=f"gives precision {runs}, although {precision} was asked for"
        ):
            build(target(precision=precision), "openvino", made, tmp_path)


def test_int8_is_calibrated_with_recorded_calls(tmp_path: Path) -> None:
    made = network("free")
    kit = builder(target(precision="int8"), "openvino", made, tmp_path)
    session = kit.build().sessions["free"]
    assert session.facts["precision"] == "int8" and session.facts["int8_layers"] == "4 of 4"
    (call,) = kit.trials.calls(network("free"))[:1]
    found = compare(reference(made, call)["heat"], session.run(call)["heat"])
    assert 1e-4 < found["max_rel"] < 0.3 and found["snr_db"] > 25


def test_excluded_nodes_stay_in_float(tmp_path: Path) -> None:
    options = target(precision="int8", exclude=["/second/Conv", "/heat/Conv"])
    session = build(options, "openvino", network("free"), tmp_path).sessions["free"]
    assert session.facts["int8_layers"] == "2 of 4"
    elsewhere = target(precision="int8", exclude=["other:/first/Conv", "free:/heat/Conv"])
    session = build(elsewhere, "openvino", network("free"), tmp_path).sessions["free"]
    assert session.facts["int8_layers"] == "3 of 4"
    with pytest.raises(ConfigError, match=r"'free' has no node '/secnd/Conv'. Did you mean /second/Conv"):
        build(target(precision="int8", exclude=["/secnd/Conv"]), "openvino", network("free"), tmp_path)


def test_int8_that_runs_nothing_in_int8_is_a_fallback(tmp_path: Path) -> None:
    kept = ["/0/Conv", "/4/Gemm"]
    with pytest.raises(FaceportError, match="although int8 was asked for"):
        build(target(precision="int8", exclude=kept), "openvino", network("fixed"), tmp_path)


def test_int8_without_calls_is_refused(tmp_path: Path) -> None:
    kit = replace(builder(target(precision="int8"), "openvino", network("fixed"), tmp_path), samples=())
    with pytest.raises(FaceportError, match="int8 needs recorded calls of network 'fixed'"):
        kit.build()


def test_a_fixed_batch_changes_no_result(tmp_path: Path) -> None:
    made = network("free")
    session = build(target(batch=4), "openvino", made, tmp_path).sessions["free"]
    assert session.facts["batch"] == "4"
    call = images(6, 3, 20, 28)
    rows = [session.run({"image": call["image"][i : i + 1]}) for i in range(6)]
    whole = session.run(call)
    for name, value in whole.items():
        assert value.shape[0] == 6
        np.testing.assert_allclose(value, np.concatenate([row[name] for row in rows]), atol=1e-6)
    assert worst(compare_calls([reference(made, call)], [whole]))[1] < 1e-4


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"finds no device 'NPU.7' on this machine; it finds .*CPU"):
        build(target(device="NPU.7"), "openvino", network("fixed"), tmp_path)
    allowed = target(device="NPU.7", allow_fallback=True)
    session = build(allowed, "openvino", network("fixed"), tmp_path).sessions["fixed"]
    assert session.facts["device"] == "CPU" and session.facts["batch"] == "1"  # as an NPU would have it


@pytest.mark.parametrize("file", ["model.xml", "model.bin"])
def test_a_damaged_artifact(tmp_path: Path, file: str) -> None:
    made = network("fixed")
    artifact = build(target(), "openvino", made, tmp_path).artifacts["fixed"]
    path = artifact.path / file
    path.write_bytes(path.read_bytes()[:100])
    old = Artifact(artifact.path, made, {"runs_as": {"version": "2019.1"}})
    with pytest.raises(FaceportError, match=r"cannot open .* It was compiled with OpenVINO 2019.1") as caught:
        target().open(old)
    assert "\n" not in str(caught.value)


def test_an_operator_that_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"cannot compile network 'nonesuch': .*nowhere.Nonesuch"):
        build(target(), "openvino", unsupported(tmp_path), tmp_path)


def test_inputs_that_do_not_fit(tmp_path: Path) -> None:
    session = build(target(), "openvino", network("free"), tmp_path).sessions["free"]
    said = "it takes 'image' as batchx3xheightxwidth float32, not 2x4x8x8 float32"
    with pytest.raises(FaceportError, match=re.escape(said)):
        session.run(images(2, 4, 8, 8))
    assert session.run(images(2, 3, 8, 8))["mean"].shape == (2, 2)  # the request is free again


def test_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "faceport-openvino[cpu]" in missing_without(target(), "openvino", monkeypatch)
    assert "faceport-openvino[int8]" in missing_without(target(precision="int8"), "nncf", monkeypatch)
