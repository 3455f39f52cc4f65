import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from faceport.api import Artifact
from faceport.errors import FaceportError, MissingError
from faceport.networks.parity import compare_calls, worst
from faceport.plugins.loading import create
from tests.plugins.toys import (
    build,
    builder,
    images,
    missing_without,
    network,
    pyramid_net,
    reference,
    unsupported,
)

if TYPE_CHECKING:
    from torch import nn


def target(**options: Any) -> Any:
    return create("target", "ncnn", **options)


def test_any_batch_and_size_in_fp32(tmp_path: Path) -> None:
    made = network("free")
    session = build(target(), "ncnn", made, tmp_path).sessions["free"]
    calls = [images(*shape) for shape in ((1, 3, 20, 28), (5, 3, 33, 17), (2, 3, 8, 8))]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4
    assert session.facts["precision"] == "fp32" and session.facts["sizes"] == "any"


def test_a_network_that_resists_is_translated_for_each_recorded_size(tmp_path: Path) -> None:
    made = network("free", pyramid_net)
    kit = builder(target(), "ncnn", made, tmp_path)
    kit.trials._calls = {"free": [images(1, 3, 20, 28), images(3, 3, 12, 16), images(2, 3, 20, 28)]}
    session = kit.build().sessions["free"]
    assert session.facts["sizes"] == "3x12x16, 3x20x28"
    calls = [images(4, 3, 12, 16), images(1, 3, 20, 28)]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4
    with pytest.raises(FaceportError, match="compiled for inputs of 3x12x16, 3x20x28, not of 3x16x16"):
        session.run(images(1, 3, 16, 16))


def test_threads_share_the_nets(tmp_path: Path) -> None:
    made = network("free")
    session = build(target(streams=2), "ncnn", made, tmp_path).sessions["free"]
    calls = [images(1 + seed % 3, 3, 16 + seed, 20, seed=seed) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(session.run, calls))
    assert worst(compare_calls([reference(made, call) for call in calls], found))[1] < 1e-4


def test_fp16_is_what_the_processor_computes_in(tmp_path: Path) -> None:
    ncnn = pytest.importorskip("ncnn")
    made = network("free")
    built = build(target(precision="fp16", allow_fallback=True), "ncnn", made, tmp_path)
    assert 1e-5 < worst(built.artifacts["free"].manifest["parity"]["outputs"])[1] < 0.05
    if ncnn.cpu_support_arm_asimdhp():
        assert built.sessions["free"].facts["precision"] == "fp16"
        return
    with pytest.raises(FaceportError, match="gives precision fp32, although fp16 was asked for"):
        build(target(precision="fp16"), "ncnn", made, tmp_path)


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    ncnn = pytest.importorskip("ncnn")
    if ncnn.get_gpu_count():
        pytest.skip("there is a GPU")
    with pytest.raises(FaceportError, match="gives device cpu, although vulkan was asked for"):
        build(target(device="vulkan"), "ncnn", network("fixed"), tmp_path)


def test_inputs_that_are_too_small_do_not_crash(tmp_path: Path) -> None:
    def valid_net() -> "nn.Module":
        from torch import nn

        class Net(nn.Sequential):
            def forward(self, image):  # type: ignore[no-untyped-def]
                found = super().forward(image)
                return found, found.mean((2, 3))[:, :2]

        return Net(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, 2, ceil_mode=True), nn.Conv2d(4, 4, 3))

    made = network("free", valid_net)
    session = build(target(), "ncnn", made, tmp_path).sessions["free"]
    assert session.run(images(1, 3, 7, 9))["heat"].shape == reference(made, images(1, 3, 7, 9))["heat"].shape
    with pytest.raises(FaceportError, match="'image' must be at least 3x7x7, it is 3x6x9"):
        session.run(images(1, 3, 6, 9))


@pytest.mark.parametrize("file", ["model.param", "model.bin"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 30])
def test_a_damaged_artifact(tmp_path: Path, file: str, content: bytes) -> None:
    if file.endswith("bin") and content:
        pytest.skip("ncnn takes any bytes for weights; the store compares their length")
    made = network("fixed")
    artifact = build(target(), "ncnn", made, tmp_path).artifacts["fixed"]
    (artifact.path / file).write_bytes(content)
    old = Artifact(artifact.path, made, {"runs_as": {"version": "0.1"}})
    with pytest.raises(FaceportError, match=r"cannot open .* It was compiled with ncnn 0.1") as caught:
        target().open(old)
    assert "\n" not in str(caught.value)


def test_an_operator_that_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"cannot compile network 'nonesuch': it has no Nonesuch"):
        build(target(), "ncnn", unsupported(tmp_path), tmp_path)


def test_inputs_that_do_not_fit(tmp_path: Path) -> None:
    session = build(target(), "ncnn", network("free"), tmp_path).sessions["free"]
    said = "takes 'image' as batchx3xheightxwidth float32, not 2x4x8x8 float32"
    with pytest.raises(FaceportError, match=re.escape(said)):
        session.run(images(2, 4, 8, 8))


def test_missing_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = builder(target(), "ncnn", network("fixed"), tmp_path)
    monkeypatch.setattr("faceport_ncnn.target.find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"pnnx is needed to compile.*faceport-ncnn\[convert\]"):
        kit.build()
    assert "faceport-ncnn[cpu]" in missing_without(target(), "ncnn", monkeypatch)
