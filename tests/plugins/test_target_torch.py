import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceport.api import Artifact
from faceport.errors import ConfigError, FaceportError
from faceport.networks.parity import compare_calls, worst
from faceport.plugins.loading import create
from tests.plugins.toys import build, images, missing_without, network, reference, unsupported


def target(**options: Any) -> Any:
    return create("target", "torch", **options)


SHAPES = ((1, 3, 20, 28), (5, 3, 33, 17), (2, 3, 8, 8))


@pytest.mark.parametrize("options", [{}, {"channels_last": True}, {"mode": "torchscript"}, {"threads": 0}])
def test_any_batch_and_size_in_fp32(tmp_path: Path, options: dict[str, Any]) -> None:
    made = network("free")
    session = build(target(**options), "torch", made, tmp_path).sessions["free"]
    calls = [images(*shape) for shape in SHAPES]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4
    mode = options.get("mode", "eager")
    assert session.facts | {"version": ""} == {
        "runtime": "torch",
        "version": "",
        "device": "CPU",
        "precision": "fp32",
        "mode": mode,
    }


@pytest.mark.slow
def test_compiled(tmp_path: Path) -> None:
    made = network("fixed")
    session = build(target(mode="compile"), "torch", made, tmp_path).sessions["fixed"]
    calls = [images(batch, 3, 16, 16) for batch in (1, 4)]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4
    assert session.facts["mode"] == "compile"


def test_outputs_are_plain_arrays(tmp_path: Path) -> None:
    session = build(target(channels_last=True), "torch", network("free"), tmp_path).sessions["free"]
    assert all(value.flags["C_CONTIGUOUS"] for value in session.run(images(2, 3, 20, 28)).values())


def test_a_script_needs_no_code(tmp_path: Path) -> None:
    made = network("free")
    artifact = build(target(mode="torchscript"), "torch", made, tmp_path).artifacts["free"]
    bare = type(made)(made.name, made.inputs, made.outputs, example=made.example)
    session = target(mode="torchscript").open(Artifact(artifact.path, bare, artifact.manifest))
    call = images(2, 3, 20, 28)
    assert worst(compare_calls([reference(made, call)], [session.run(call)]))[1] < 1e-4


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    asked = f"cuda:{torch.cuda.device_count() + 3}"
    with pytest.raises(FaceportError, match=f"finds no device '{asked}' on this machine; CUDA devices: "):
        build(target(device=asked), "torch", network("fixed"), tmp_path)
    allowed = target(device=asked, allow_fallback=True)
    assert build(allowed, "torch", network("fixed"), tmp_path).sessions["fixed"].facts["device"] == "CPU"
    with pytest.raises(ConfigError, match="'device' is 'tpu', it must be cpu, cuda or cuda:NUMBER"):
        target(device="tpu")


def test_half_on_a_cpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="'precision' is fp16, which needs device=cuda"):
        target(precision="fp16")


@pytest.mark.parametrize("mode", ["eager", "torchscript"])
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_is_what_comes_out(tmp_path: Path, precision: str, mode: str) -> None:
    torch = pytest.importorskip("torch")
    device = "cuda" if torch.cuda.is_available() else "cpu"  # the CPU does it too, when it is allowed to
    options = target(precision=precision, mode=mode, device=device, allow_fallback=True)
    built = build(options, "torch", network("free"), tmp_path)
    assert built.sessions["free"].facts["precision"] == precision
    found = built.sessions["free"].run(images(2, 3, 20, 28))
    assert all(value.dtype == np.float32 for value in found.values())
    assert worst(built.artifacts["free"].manifest["parity"]["outputs"])[1] > 1e-4


@pytest.mark.parametrize(("mode", "file"), [("eager", "weights.safetensors"), ("torchscript", "module.pt")])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 30])
def test_a_damaged_artifact(tmp_path: Path, mode: str, file: str, content: bytes) -> None:
    made = network("fixed")
    artifact = build(target(mode=mode), "torch", made, tmp_path).artifacts["fixed"]
    (artifact.path / file).write_bytes(content)
    old = Artifact(artifact.path, made, {"runs_as": {"version": "0.4"}})
    with pytest.raises(FaceportError, match=r"cannot open .* It was compiled with PyTorch 0.4") as caught:
        target(mode=mode).open(old)
    assert "\n" not in str(caught.value)


def test_onnx_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match="'nonesuch' exists as ONNX only"):
        build(target(), "torch", unsupported(tmp_path), tmp_path)


def test_inputs_that_do_not_fit(tmp_path: Path) -> None:
    session = build(target(), "torch", network("free"), tmp_path).sessions["free"]
    said = "takes 'image' as batchx3xheightxwidth float32, not 2x4x8x8 float32"
    with pytest.raises(FaceportError, match=re.escape(said)):
        session.run(images(2, 4, 8, 8))


def test_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "faceport[torch]" in missing_without(target(), "torch", monkeypatch)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    assert "install g++, or choose mode=torchscript" in target(mode="compile").missing()
