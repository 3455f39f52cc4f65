import re
import shutil
from pathlib import Path
from typing import Any

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


def target(**options: Any) -> Any:
    return create("target", "tvm", **options)


def test_any_batch_and_size_where_relax_manages(tmp_path: Path) -> None:
    made = network("free")
    session = build(target(), "tvm", made, tmp_path).sessions["free"]
    calls = [images(*shape) for shape in ((1, 3, 20, 28), (5, 3, 33, 17), (2, 3, 8, 8))]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4
    assert session.facts["device"] == "CPU" and session.facts["sizes"] == "any"


def test_a_network_that_resists_is_compiled_for_each_recorded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = network("free", pyramid_net)
    kit = builder(target(batch=2), "tvm", made, tmp_path)
    build_one = type(kit.target)._build

    def fixed_only(self: Any, model: Any, *rest: Any) -> str:
        if model.graph.input[0].type.tensor_type.shape.dim[2].dim_param:
            return "no free sizes"  # as it says of RetinaFace
        return build_one(self, model, *rest)

    monkeypatch.setattr(type(kit.target), "_build", fixed_only)
    kit.trials._calls = {"free": [images(1, 3, 20, 28), images(3, 3, 12, 16)]}
    session = kit.build().sessions["free"]
    assert session.facts["sizes"] == "3x12x16, 3x20x28" and session.facts["batch"] == "2"
    calls = [images(5, 3, 12, 16), images(1, 3, 20, 28)]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4
    with pytest.raises(FaceportError, match="compiled for inputs of 3x12x16, 3x20x28, not of 3x16x16"):
        session.run(images(1, 3, 16, 16))


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    tvm = pytest.importorskip("tvm")
    if tvm.cuda().exist:
        pytest.skip("there is a GPU")
    made = network("fixed")
    artifact = build(target(), "tvm", made, tmp_path).artifacts["fixed"]
    with pytest.raises(FaceportError, match="TVM finds no cuda device on this machine"):
        target(kind="cuda").open(artifact)
    allowed = target(kind="cuda", allow_fallback=True)
    assert allowed.missing() == "" and allowed.recipe()["kind"] == "llvm"
    assert build(allowed, "tvm", made, tmp_path).sessions["fixed"].facts["device"] == "CPU"


def test_cuda_is_refused_before_anything_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    tvm = pytest.importorskip("tvm")
    if not tvm.cuda().exist:
        assert target(kind="cuda").missing().startswith("TVM finds no cuda device on this machine: choose")
    monkeypatch.setattr(tvm, "get_global_func", lambda *_, **__: None)
    assert target(kind="cuda").missing().startswith("this build of TVM has no CUDA")


@pytest.mark.parametrize("file", ["network.so", "made_for.json"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 30])
def test_a_damaged_artifact(tmp_path: Path, file: str, content: bytes) -> None:
    made = network("fixed")
    artifact = build(target(), "tvm", made, tmp_path).artifacts["fixed"]
    folder = tmp_path / "damaged"  # a copy: the library itself is mapped into this process
    shutil.copytree(artifact.path, folder)
    (folder / file).write_bytes(content)
    old = Artifact(folder, made, {"runs_as": {"version": "0.8"}})
    with pytest.raises(FaceportError, match=r"cannot open .* It was compiled with TVM 0.8") as caught:
        target().open(old)
    assert "\n" not in str(caught.value)


def test_an_operator_that_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"cannot compile network 'nonesuch': .*Nonesuch"):
        build(target(), "tvm", unsupported(tmp_path), tmp_path)


def test_inputs_that_do_not_fit(tmp_path: Path) -> None:
    session = build(target(), "tvm", network("free"), tmp_path).sessions["free"]
    said = "takes 'image' as batchx3xheightxwidth float32, not 2x4x8x8 float32"
    with pytest.raises(FaceportError, match=re.escape(said)):
        session.run(images(2, 4, 8, 8))


def test_missing_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = builder(target(), "tvm", network("fixed"), tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MissingError, match=r"TVM needs a C\+\+ compiler .*install g\+\+"):
        kit.build()
    assert "faceport-tvm[cpu]" in missing_without(target(), "tvm", monkeypatch)
