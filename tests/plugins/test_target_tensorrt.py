import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceport.api import Artifact
from faceport.errors import ConfigError, FaceportError
from faceport.networks.parity import compare_calls, worst
from faceport.plugins.loading import create
from tests.plugins.fake_tensorrt import Cuda, install
from tests.plugins.toys import (
    build,
    builder,
    images,
    missing_without,
    network,
    reference,
    unsupported,
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cuda:
    """Stand in for a machine with a GPU."""
    monkeypatch.setenv("FACEPORT_CACHE", str(tmp_path / "cache"))
    found = install(monkeypatch)
    assert target().missing() == "", "else every test of this file would be skipped"
    return found


def target(**options: Any) -> Any:
    return create("target", "tensorrt", **options)


def test_batches_of_any_size_run_in_pieces(gpu: Cuda, tmp_path: Path) -> None:
    made = network("fixed")
    session = build(target(max_batch=4), "tensorrt", made, tmp_path).sessions["fixed"]
    calls = [images(rows, 3, 16, 16, seed=rows) for rows in (1, 4, 11, 2)]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4
    assert session.facts["device"] == "Fake GPU" and session.facts["precision"] == "fp32"
    assert gpu.memory and gpu.streams
    session.close()


def test_a_library_that_does_not_start_is_a_sentence(
    gpu: Cuda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorrt

    def nothing(log: Any) -> None:
        log.log(tensorrt.ILogger.Severity.ERROR, "CUDA initialization failure with error: 35")
        raise TypeError("pybind11::init(): factory function returned nullptr")

    artifact = build(target(), "tensorrt", network("fixed"), tmp_path).artifacts["fixed"]
    for part in ("Runtime", "Builder"):
        monkeypatch.setattr(tensorrt, part, nothing)
        with pytest.raises(FaceportError, match="cannot be started: CUDA initialization failure"):
            if part == "Runtime":
                target().open(artifact)
            else:
                build(target(), "tensorrt", network("free"), tmp_path)


def test_closing_frees_the_memory(gpu: Cuda, tmp_path: Path) -> None:
    made = network("fixed")
    artifact = build(target(), "tensorrt", made, tmp_path).artifacts["fixed"]
    before, streams = set(gpu.memory), set(gpu.streams)
    session = target(streams=3).open(artifact)
    session.run(images(2, 3, 16, 16))
    assert len(gpu.streams) == len(streams) + 3
    session.close()
    assert set(gpu.memory) == before and gpu.streams == streams


def test_the_profile_comes_from_the_recorded_calls(gpu: Cuda, tmp_path: Path) -> None:
    made = network("free")
    kit = builder(target(max_batch=8), "tensorrt", made, tmp_path)
    kit.trials._calls = {"free": [images(1, 3, 20, 28), images(2, 3, 40, 16), images(1, 3, 24, 24)]}
    session = kit.build().sessions["free"]
    call = images(3, 3, 30, 20)
    assert worst(compare_calls([reference(made, call)], [session.run(call)]))[1] < 1e-4
    said = "'image' must be between 1x3x20x16 and 8x3x40x28, it is 1x3x44x20: compile with target.sizes="
    with pytest.raises(FaceportError, match=said):
        session.run(images(1, 3, 44, 20))
    wide = target(sizes=[8, 24, 64])
    session = build(wide, "tensorrt", made, tmp_path).sessions["free"]
    assert session.run(images(1, 3, 64, 8))["heat"].shape == (1, 4, 32, 4)


def test_fp16_is_written_into_the_graph(gpu: Cuda, tmp_path: Path) -> None:
    made = network("free")
    options = target(precision="fp16", exclude=["/heat/Conv"])
    built = build(options, "tensorrt", made, tmp_path)
    assert built.sessions["free"].facts["precision"] == "fp16"
    found = built.sessions["free"].run(images(1, 3, 20, 28))
    assert found["heat"].dtype == np.float32
    assert 1e-5 < worst(built.artifacts["free"].manifest["parity"]["outputs"])[1] < 0.02


@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_int8_is_calibrated_on_the_device_itself(gpu: Cuda, tmp_path: Path, method: str) -> None:
    made = network("free")
    built = build(target(precision="int8", range=method), "tensorrt", made, tmp_path)
    assert built.sessions["free"].facts["precision"] == "int8"
    outputs = built.artifacts["free"].manifest["parity"]["outputs"]
    assert outputs["heat"]["max_rel"] > 1e-3 and outputs["heat"]["snr_db"] > 20
    kept = ["/first/Conv", "/second/Conv", "/heat/Conv", "/linear/Gemm"]
    with pytest.raises(FaceportError, match="no layer of network 'free' is left to quantise"):
        build(target(precision="int8", exclude=kept), "tensorrt", made, tmp_path)
    allowed = target(precision="int8", exclude=kept, allow_fallback=True)
    assert build(allowed, "tensorrt", made, tmp_path).sessions["free"].facts["precision"] == "fp32"


def test_what_the_builder_measured_is_kept(gpu: Cuda, tmp_path: Path) -> None:
    build(target(), "tensorrt", network("fixed"), tmp_path)
    build(target(level=5), "tensorrt", network("fixed"), tmp_path)
    (file,) = (tmp_path / "cache" / "tensorrt").glob("*.timing")
    assert file.name == "11.0-Fake_GPU.timing" and file.read_bytes() == b"++"


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, gpus=0)
    with pytest.raises(FaceportError, match=r"no NVIDIA GPU on this machine \(.*NoDevice\)"):
        build(target(), "tensorrt", network("fixed"), tmp_path)
    install(monkeypatch, gpus=1)
    with pytest.raises(FaceportError, match="no GPU number 3 on this machine: there are 1"):
        build(target(device=3), "tensorrt", network("fixed"), tmp_path)


@pytest.mark.parametrize(("content", "why"), [(b"", "is empty or missing"), (b"nonsense", "Magic tag")])
def test_a_damaged_artifact(gpu: Cuda, tmp_path: Path, content: bytes, why: str) -> None:
    made = network("fixed")
    artifact = build(target(), "tensorrt", made, tmp_path).artifacts["fixed"]
    (artifact.path / "network.engine").write_bytes(content)
    old = Artifact(artifact.path, made, {"runs_as": {"version": "8.6"}})
    with pytest.raises(FaceportError, match=f"cannot open .*{why}.* It was compiled with TensorRT 8.6"):
        target().open(old)


def test_an_operator_that_it_does_not_know(gpu: Cuda, tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match="cannot compile network 'nonesuch': .*no importer for Nonesuch"):
        build(target(), "tensorrt", unsupported(tmp_path), tmp_path)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"'sizes' is \[64, 32, 128\], it must be three growing sides"):
        target(sizes=[64, 32, 128])
    with pytest.raises(ConfigError, match="'max_batch' is 0, it must be at least 1"):
        target(max_batch=0)


def test_types_are_read_from_what_the_engine_tells() -> None:
    from faceport_tensorrt.session import count_precisions

    def layer(kind: str, datatype: str) -> dict[str, Any]:
        return {"LayerType": kind, "Inputs": [{"Format/Datatype": datatype}]}

    layers = [
        layer("CaskConvolution", "Int8 NC/32HW32 format"),
        layer("CaskGemmConvolution", "Half"),
        layer("gemm", "FP32 row major"),
        layer("PointWise", "Int8"),
    ]
    assert count_precisions(json.dumps({"Layers": layers})) == {"int8": 1, "fp16": 1, "fp32": 1}
    assert count_precisions("not JSON") == {}


def test_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    said = missing_without(target(), "tensorrt", monkeypatch)
    assert "faceport-tensorrt[cu13]" in said and "NVIDIA's package index" in said
