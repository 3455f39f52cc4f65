import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest

from faceport.api import Artifact, Source
from faceport.errors import ConfigError, FaceportError
from faceport.graph.layers import pair_sums
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
    return create("target", "onnxruntime", **options)


def test_any_batch_and_size_in_fp32(tmp_path: Path) -> None:
    made = network("free")
    built = build(target(), "onnxruntime", made, tmp_path)
    session = built.sessions["free"]
    calls = [images(*shape) for shape in ((1, 3, 20, 28), (5, 3, 33, 17), (2, 3, 8, 8))]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4
    assert session.facts["precision"] == "fp32" and session.facts["device"] == "CPU"


def test_prelu_is_split_where_it_is_slow(tmp_path: Path) -> None:
    built = build(target(), "onnxruntime", network("free"), tmp_path)
    nodes = onnx.load(built.artifacts["free"].path / "model.onnx").graph.node
    assert "PRelu" not in {node.op_type for node in nodes}
    assert "/prelu/PRelu" in {node.name for node in nodes}


def test_fp16_on_a_cpu_is_what_its_graph_became(tmp_path: Path) -> None:
    made = network("free")
    built = build(target(precision="fp16", allow_fallback=True), "onnxruntime", made, tmp_path)
    runs = built.sessions["free"].facts["precision"]
    weights = onnx.load(built.artifacts["free"].path / "model.onnx").graph.initializer
    assert onnx.TensorProto.FLOAT16 in {tensor.data_type for tensor in weights}
    error = built.artifacts["free"].manifest["parity"]["outputs"]["heat"]["max_rel"]
    assert 1e-5 < error < 1e-2
    if runs != "fp16":
        with pytest.raises(FaceportError, match=f"gives precision {runs}, although fp16 was asked for"):
            build(target(precision="fp16"), "onnxruntime", made, tmp_path)


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy", "mse"])
def test_int8_is_calibrated_with_recorded_calls(tmp_path: Path, method: str) -> None:
    made = network("free")
    kit = builder(target(precision="int8", range=method), "onnxruntime", made, tmp_path)
    session = kit.build().sessions["free"]
    assert session.facts["precision"] == "int8" and session.facts["int8_layers"] == "3 of 4"  # not the heat
    (call,) = kit.trials.calls(network("free"))[:1]
    found = compare(reference(made, call)["heat"], session.run(call)["heat"])
    assert found["max_rel"] > 1e-4 and found["snr_db"] > 20


def test_int8_takes_calls_of_many_sizes(tmp_path: Path) -> None:
    made = network("free")
    kit = builder(target(precision="int8"), "onnxruntime", made, tmp_path)
    kit.trials._calls = {"free": [images(1, 3, 20, 28), images(3, 3, 33, 17), images(2, 3, 8, 8)]}
    session = kit.build().sessions["free"]
    call = images(3, 3, 33, 17)
    assert compare(reference(made, call)["heat"], session.run(call)["heat"])["snr_db"] > 30


def test_reduce_range_keeps_pairs_of_weights_small(tmp_path: Path) -> None:
    largest = []
    for reduce in (False, True):
        options = target(precision="int8", reduce_range=reduce)
        built = build(options, "onnxruntime", network("fixed"), tmp_path)
        weights = onnx.load(built.artifacts["fixed"].path / "model.onnx").graph.initializer
        found = [onnx.numpy_helper.to_array(tensor) for tensor in weights]
        largest.append(max(int(pair_sums(w, 0).max()) for w in found if w.dtype == np.int8 and w.ndim == 4))
    assert largest[0] > 150 and 64 < largest[1] <= 128


def test_means_keep_their_precision_in_int8(tmp_path: Path) -> None:
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.heat = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Conv2d(8, 4, 1)

        def forward(self, image):  # type: ignore[no-untyped-def]
            features = self.first(image - image.mean((2, 3), keepdim=True))
            heat = self.heat(nn.functional.avg_pool2d(features, 8))
            return heat, heat.mean((2, 3))[:, :2]

    made = network("free", Net)
    kit = builder(target(precision="int8", tolerance=1e3), "onnxruntime", made, tmp_path)
    session = kit.build().sessions["free"]
    (call,) = kit.trials.calls(network("free"))[:1]
    assert compare(reference(made, call)["heat"], session.run(call)["heat"])["snr_db"] > 42


def test_excluded_nodes_stay_in_float(tmp_path: Path) -> None:
    options = target(precision="int8", exclude=["/second/Conv", "free:/heat/Conv", "other:/first/Conv"])
    session = build(options, "onnxruntime", network("free"), tmp_path).sessions["free"]
    assert session.facts["int8_layers"] == "2 of 4"
    with pytest.raises(ConfigError, match=r"'free' has no node '/secnd/Conv'. Did you mean /second/Conv"):
        build(target(precision="int8", exclude=["/secnd/Conv"]), "onnxruntime", network("free"), tmp_path)


def test_int8_that_runs_nothing_in_int8_is_a_fallback(tmp_path: Path) -> None:
    kept = ["/0/Conv", "/4/Gemm"]
    with pytest.raises(FaceportError, match="although int8 was asked for"):
        build(target(precision="int8", exclude=kept), "onnxruntime", network("fixed"), tmp_path)


def test_a_provider_that_the_build_has_not(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"no provider 'cann' \(it has .*cpu.*\): .*onnxruntime-cann"):
        build(target(providers=["cann"]), "onnxruntime", network("fixed"), tmp_path)
    allowed = target(providers=["cann", "cpu"], allow_fallback=True)
    session = build(allowed, "onnxruntime", network("fixed"), tmp_path).sessions["fixed"]
    assert session.facts["device"] == "CPU"
    with pytest.raises(ConfigError, match="names 'cuba'. Did you mean cuda"):
        target(providers=["cuba"])


def test_a_provider_that_fails_silently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ort = pytest.importorskip("onnxruntime")
    if "CANNExecutionProvider" in ort.get_available_providers():
        pytest.skip("this build has the provider")
    present = [*ort.get_available_providers(), "CANNExecutionProvider"]
    monkeypatch.setattr(ort, "get_available_providers", lambda: present)
    with pytest.warns(UserWarning, match="CANN"), pytest.raises(FaceportError, match="gives provider cpu"):
        build(target(providers=["cann"]), "onnxruntime", network("fixed"), tmp_path)


def test_layers_are_counted_by_what_they_compute_in() -> None:
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    from faceport_onnxruntime.session import count_precisions

    def tensor(name: str, kind: int) -> Any:
        return helper.make_tensor(name, kind, [1], [0.0])

    nodes = [
        helper.make_node("Conv", ["x", "half"], ["a"]),
        helper.make_node("Cast", ["half"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["a", "float"], ["b"], domain="com.microsoft.nchwc"),
        helper.make_node("QLinearConv", ["b"] * 8, ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
    ]
    graph = helper.make_graph(nodes, "g", [], [], [tensor("half", TensorProto.FLOAT16)])
    assert count_precisions(helper.make_model(graph)) == Counter(fp16=1, fp32=1, int8=1)


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_damaged_artifact(tmp_path: Path, content: bytes) -> None:
    made = network("fixed")
    artifact = build(target(), "onnxruntime", made, tmp_path).artifacts["fixed"]
    (artifact.path / "model.onnx").write_bytes(content)
    old = Artifact(artifact.path, made, {"runs_as": {"version": "0.9"}})
    with pytest.raises(
        FaceportError, match=r"cannot open .* It was compiled with ONNX Runtime 0.9"
    ) as caught:
        target().open(old)
    assert "\n" not in str(caught.value)


def test_an_operator_that_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"cannot open .*Nonesuch"):
        build(target(), "onnxruntime", unsupported(tmp_path), tmp_path)


def test_inputs_that_do_not_fit(tmp_path: Path) -> None:
    session = build(target(), "onnxruntime", network("free"), tmp_path).sessions["free"]
    with pytest.raises(
        FaceportError, match="takes 'image' as batchx3xheightxwidth float32, not 2x4x8x8 float32"
    ):
        session.run(images(2, 4, 8, 8))


def test_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "faceport-onnxruntime[gpu]" in missing_without(
        target(providers=["cuda"]), "onnxruntime", monkeypatch
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    assert "overwrote each other" in target().missing()


def test_the_reason_is_picked_from_what_the_runtime_prints() -> None:
    from faceport_onnxruntime.session import why_not

    printed = (
        "[E:onnxruntime:Default] Failed to load library /x/libonnxruntime_providers_cuda.so with error: "
        "libcublasLt.so.13: cannot open shared object file\n"
        "[W:onnxruntime:Default] Failed to create CUDAExecutionProvider. Require cuDNN 9.* and CUDA 13.*. "
        "Please install\n"
    )
    assert why_not("cuda", printed) == "libcublasLt.so.13: cannot open shared object file"
    assert why_not("cuda", printed.splitlines()[1]) == "Require cuDNN 9.* and CUDA 13.*"
    assert why_not("tensorrt", printed) == why_not("cuda", "") == ""


@pytest.mark.parametrize("colour", ["RGB", "BGR"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_pixels_and_floats_give_the_same(precision: str, colour: str, tmp_path: Path) -> None:
    from faceport.networks.export import export_onnx

    way = {"mean": [128, 127, 126], "std": [128, 64, 100], "colour": colour, "layout": "NCHW"}
    made = replace(network("fixed"), preprocessing=way)
    mean, std = (np.float32(way[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    pixels = np.random.default_rng(2).integers(0, 256, (2, 3, 16, 16)).astype(np.float32)
    options = {"precision": precision, "allow_fallback": True}  # few CPUs compute in fp16
    export_onnx(made, tmp_path / "network.onnx")
    sessions, files = [], []
    for fuse in (False, True):
        folder, one = tmp_path / str(fuse), target(**options, fuse=fuse)
        folder.mkdir()
        one.compile(Source(made, lambda: tmp_path / "network.onnx"), folder, [images(2, 3, 16, 16)])
        sessions.append(one.open(Artifact(folder, made, {})))
        files.append(onnx.load(next(folder.glob("*.onnx"))))
    assert files[1].graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert "takes" not in sessions[0].facts and sessions[1].facts["takes"] == "pixels"
    floats, fused = (one.run({"image": (pixels - mean) / std})["mean"] for one in sessions)
    np.testing.assert_allclose(fused, floats, rtol=0, atol=np.abs(floats).max() * 1e-3)
    with pytest.raises(FaceportError, match="values between or beyond them"):
        sessions[1].run(images(1, 3, 16, 16))
