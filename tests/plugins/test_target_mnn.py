import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
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
    return create("target", "mnn", **options)


def test_any_batch_and_size_in_fp32(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = network("free")
    session = build(target(), "mnn", made, tmp_path).sessions["free"]
    calls = [images(*shape) for shape in ((1, 3, 20, 28), (5, 3, 33, 17), (2, 3, 8, 8), (1, 3, 20, 28))]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4
    assert session.facts["precision"] == "fp32" and session.facts["device"] == "CPU"
    assert "MNN" not in capfd.readouterr().out  # its chatter would spoil what is piped


def test_threads_have_sessions_of_their_own(tmp_path: Path) -> None:
    made = network("free")
    session = build(target(streams=2), "mnn", made, tmp_path).sessions["free"]
    calls = [images(1 + seed % 3, 3, 16 + seed, 20, seed=seed) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(session.run, calls))
    assert worst(compare_calls([reference(made, call) for call in calls], found))[1] < 1e-4


def test_winograd_tiles_trade_exactness(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'winograd' is 7, it must be 0, 1, 2 or 3"):
        target(winograd=7)
    assert target().options.tiles == 1 and target(precision="int8").options.tiles == 3
    built = build(target(winograd=3, tolerance=0.01), "mnn", network("free"), tmp_path)
    assert worst(built.artifacts["free"].manifest["parity"]["outputs"])[1] < 0.01


def test_fp16_is_what_changes_the_bits(tmp_path: Path) -> None:
    made = network("free")
    built = build(target(precision="fp16", allow_fallback=True), "mnn", made, tmp_path)
    assert 1e-4 < worst(built.artifacts["free"].manifest["parity"]["outputs"])[1] < 0.05
    if built.sessions["free"].facts["precision"] == "fp32":  # no arithmetic in 16 bits on this CPU
        with pytest.raises(FaceportError, match="gives precision fp32, although fp16 was asked for"):
            build(target(precision="fp16"), "mnn", made, tmp_path)


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy", "mse"])
def test_int8_is_calibrated_with_recorded_calls(tmp_path: Path, method: str) -> None:
    made = network("fixed")
    kit = builder(target(precision="int8", range=method), "mnn", made, tmp_path)
    session = kit.build().sessions["fixed"]
    assert session.facts["precision"] == "int8" and session.facts["int8_layers"] == "2 of 2"
    (call,) = kit.trials.calls(network("fixed"))[:1]
    found = compare(reference(made, call)["mean"], session.run(call)["mean"])
    assert found["max_rel"] > 1e-4 and found["snr_db"] > 15


def test_int8_takes_any_batch_and_size(tmp_path: Path) -> None:
    made = network("free")
    session = build(target(precision="int8"), "mnn", made, tmp_path).sessions["free"]
    assert session.facts["int8_layers"] == "4 of 4"
    call = {"image": images(3, 3, 33, 17)["image"].clip(-1, 1)}
    assert compare(reference(made, call)["heat"], session.run(call)["heat"])["snr_db"] > 15


def test_excluded_nodes_stay_in_float(tmp_path: Path) -> None:
    made = network("fixed")
    assert _int8_layers(target(precision="int8"), made, tmp_path) == "2 of 2"
    assert _int8_layers(target(precision="int8", exclude=["/4/Gemm"]), made, tmp_path) == "1 of 2"
    with pytest.raises(ConfigError, match=r"'fixed' has no node '/4/Gem'. Did you mean /4/Gemm"):
        build(target(precision="int8", exclude=["/4/Gem"]), "mnn", made, tmp_path)


def _int8_layers(options: Any, made: Any, folder: Path) -> str:
    return build(options, "mnn", made, folder).sessions[made.name].facts["int8_layers"]


def test_int8_that_runs_nothing_in_int8_is_a_fallback(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match="although int8 was asked for"):
        build(target(precision="int8", exclude=["/0/Conv", "/4/Gemm"]), "mnn", network("fixed"), tmp_path)


def test_slopes_are_widened_so_that_prelu_is_known(tmp_path: Path) -> None:
    from faceport.graph.prelu import widen_slopes

    model = onnx.load(builder(target(), "mnn", network("free"), tmp_path).exporter.onnx(network("free")))
    slope = next(node.input[1] for node in model.graph.node if node.op_type == "PRelu")
    for _ in range(2):
        widen_slopes(model)
        shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        assert shapes[slope] == (1, 8, 1, 1)
    onnx.checker.check_model(model, full_check=True)


def test_a_backend_that_the_build_has_not(tmp_path: Path) -> None:
    try:
        built = build(target(backend="metal", allow_fallback=True), "mnn", network("fixed"), tmp_path)
    except FaceportError as error:
        assert "backend" in str(error) and "\n" not in str(error)
        return
    if built.sessions["fixed"].facts["device"] == "CPU":
        with pytest.raises(FaceportError, match="gives backend cpu, although metal was asked for"):
            build(target(backend="metal"), "mnn", network("fixed"), tmp_path)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 30])
def test_a_damaged_artifact(tmp_path: Path, content: bytes) -> None:
    made = network("fixed")
    artifact = build(target(), "mnn", made, tmp_path).artifacts["fixed"]
    (artifact.path / "model.mnn").write_bytes(content)
    old = Artifact(artifact.path, made, {"runs_as": {"version": "0.2"}})
    with pytest.raises(FaceportError, match=r"cannot open .* It was compiled with MNN 0.2") as caught:
        target().open(old)
    assert "\n" not in str(caught.value)


def test_an_operator_that_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"cannot compile network 'nonesuch': .*Nonesuch"):
        build(target(), "mnn", unsupported(tmp_path), tmp_path)


def test_inputs_that_do_not_fit(tmp_path: Path) -> None:
    session = build(target(), "mnn", network("free"), tmp_path).sessions["free"]
    said = "takes 'image' as batchx3xheightxwidth float32, not 2x4x8x8 float32"
    with pytest.raises(FaceportError, match=re.escape(said)):
        session.run(images(2, 4, 8, 8))
    np.testing.assert_array_equal(session.run(images(2, 3, 8, 8))["mean"].shape, (2, 2))


def test_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "faceport-mnn[cpu]" in missing_without(target(), "MNN", monkeypatch)
