import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from faceport.api import Artifact, Network, Session
from faceport.errors import FaceportError
from faceport.targets.machine import share_cores, silence
from faceport.targets.precision import int8_layers, main_precision, refuse_fallback
from faceport.targets.sentences import cannot_open, cannot_run, reason
from faceport.targets.sessions import BySize, FixedBatch, fixed_batches
from faceport.targets.sizes import Item, free_axes, has_free_sizes, item_shapes, mismatch
from faceport.types import Tensors, TensorSpec

OUTPUTS = (TensorSpec("y", ("batch", 2)),)
FREE = Network("free", (TensorSpec("x", ("batch", 3, "height", "width")),), OUTPUTS, example={"height": 9})
FIXED = Network("fixed", (TensorSpec("x", ("batch", 3, 4, 4)), TensorSpec("k", ("batch",), "int64")), OUTPUTS)


class Doubling(Session):
    """Take batches of one size only, and count them."""

    facts: Mapping[str, str] = {"runtime": "toy"}

    def __init__(self, size: int) -> None:
        self.size, self.sizes = size, []  # type: ignore[var-annotated]

    def run(self, inputs: Tensors) -> Tensors:
        assert len(inputs["x"]) == self.size
        self.sizes.append(len(inputs["x"]))
        return {"y": inputs["x"] * 2, "total": inputs["x"].sum(1)}


@pytest.mark.parametrize("rows", [1, 4, 5, 8, 11])
def test_a_fixed_batch_takes_any(rows: int) -> None:
    session = FixedBatch(Doubling(4), 4)
    batches = [{"x": np.random.default_rng(n).random((rows + n, 3))} for n in range(3)]
    for batch, found in zip(batches, session.run_many(batches), strict=True):
        np.testing.assert_array_equal(found["y"], batch["x"] * 2)
        np.testing.assert_array_equal(found["total"], batch["x"].sum(1))
    assert session.facts == {"runtime": "toy", "batch": "4"}


def test_whole_pieces_are_passed_on_without_a_copy() -> None:
    x = np.zeros((8, 3))
    pieces = list(fixed_batches({"x": x}, 4))
    assert all(np.shares_memory(inputs["x"], x) and rows == 4 for inputs, rows in pieces)


def test_sizes_come_from_the_network_or_from_the_calls() -> None:
    assert has_free_sizes(FREE) and not has_free_sizes(FIXED)
    assert free_axes(FREE) == {"x": (2, 3)} and free_axes(FIXED) == {}
    calls = [{"x": np.zeros((n, 3, h, 7))} for n, h in ((1, 5), (4, 6), (2, 5))]
    assert item_shapes(FREE, calls) == [(("x", (3, 5, 7)),), (("x", (3, 6, 7)),)]
    assert item_shapes(FREE, []) == [(("x", (3, 9, 128)),)]
    assert item_shapes(FIXED, []) == [(("k", ()), ("x", (3, 4, 4)))]


@pytest.mark.parametrize("free", [True, False])
def test_a_size_that_has_no_session_is_refused_before_anything_runs(free: bool) -> None:
    small, large = (("x", (3, 5, 6)),), (("x", (3, 5, 7)),)
    sizes: tuple[Item | None, ...] = (None,) if free else (small, large)
    session = BySize(FREE, "Toy", {item: Doubling(2) for item in sizes})
    x = np.ones((2, 3, 5, 7), np.float32)
    assert session.run({"x": x})["y"].shape == x.shape
    with pytest.raises(FaceportError, match="Toy cannot run network 'free': it takes 'x' as batchx3xheight"):
        session.run({"x": x[:, :2]})
    if free:
        assert session.facts["sizes"] == "any" and session.run({"x": x[..., :4]})["y"].shape == (2, 3, 5, 4)
        return
    assert session.facts["sizes"] == "3x5x6, 3x5x7"
    with pytest.raises(FaceportError, match="compiled for inputs of 3x5x6, 3x5x7, not of 3x5x4: bring"):
        session.run({"x": x[..., :4]})


class Offline(Session):
    """Want many batches at once, all of one size, and count how they came."""

    facts: Mapping[str, str] = {"runtime": "toy"}
    window = 1000

    def __init__(self) -> None:
        self.came: list[int] = []  # batches of each run_many()

    def run(self, inputs: Tensors) -> Tensors:
        return self.run_many([inputs])[0]

    def run_many(self, batches: Sequence[Tensors]) -> list[Tensors]:
        assert len({inputs["x"].shape[1:] for inputs in batches}) == 1
        self.came.append(len(batches))
        return [{"y": inputs["x"] * 2} for inputs in batches]


def test_batches_of_one_size_go_together_and_come_back_in_order() -> None:
    sizes = [4, 9, 4, 4, 9]
    sessions = {(("x", (3, size, 4)),): Offline() for size in (4, 9)}
    session = BySize(FREE, "Toy", sessions)
    assert session.window == 1000
    batches = [{"x": np.full((n + 1, 3, size, 4), n, np.float32)} for n, size in enumerate(sizes)]
    for batch, outputs in zip(batches, session.run_many(batches), strict=True):
        np.testing.assert_array_equal(outputs["y"], batch["x"] * 2)
    assert [one.came for one in sessions.values()] == [[3], [2]]
    with pytest.raises(FaceportError, match="not of 3x5x4"):
        session.run_many([*batches, {"x": np.zeros((1, 3, 5, 4), np.float32)}])
    assert [one.came for one in sessions.values()] == [[3], [2]], "nothing runs where one does not fit"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"x": np.zeros((1, 3, 4, 4), np.float32), "k": np.zeros(1, np.int64)}, ""),
        ({"k": np.zeros(1, np.int64)}, "its input 'x' is not among those given (k)"),
        ({"x": np.zeros((1, 3, 4, 5), np.float32)}, "as batchx3x4x4 float32, not 1x3x4x5 float32"),
        ({"x": np.zeros((1, 3, 4), np.float32)}, "as batchx3x4x4 float32, not 1x3x4 float32"),
        ({"x": np.zeros((1, 3, 4, 4))}, "as batchx3x4x4 float32, not 1x3x4x4 float64"),
    ],
)
def test_what_does_not_fit_is_said(inputs: dict[str, Any], said: str) -> None:
    found = mismatch(FIXED, inputs)
    assert said in found and bool(said) == bool(found)
    assert str(cannot_run("Toy", FIXED, inputs, "boom")).endswith(found or "boom")


def test_a_fallback_is_refused_unless_allowed() -> None:
    refuse_fallback("Toy", "precision", "fp16", "fp16", False)
    refuse_fallback("Toy", "precision", "fp16", "fp32", True)
    with pytest.raises(FaceportError, match="Toy gives precision fp32, although fp16 was asked for"):
        refuse_fallback("Toy", "precision", "fp16", "fp32", False)
    with pytest.raises(FaceportError, match=r"although cuda was asked for \(no libcublas\)\. Ask for cpu"):
        refuse_fallback("Toy", "provider", "cuda", "cpu", False, "no libcublas")


def test_what_native_libraries_print_is_kept_and_can_be_read(capfd):
    with silence() as said:
        os.write(1, b"to one\n")
        os.write(2, b"to the other\n")
    os.write(1, b"after")
    assert said == ["to one\nto the other\n"]
    assert capfd.readouterr() == ("after", "")
    with pytest.raises(ValueError, match="mine"), silence():
        raise ValueError("mine")
    os.write(1, b"back")
    assert capfd.readouterr().out == "back"


def test_an_artifact_of_another_version_says_so(tmp_path: Any) -> None:
    for made, said in (("1.0", True), ("2.0", False)):
        artifact = Artifact(tmp_path, FIXED, {"runs_as": {"version": made}})
        assert ("It was compiled with Toy 1.0" in str(cannot_open("Toy", "2.0", artifact, "x"))) == said


def test_messages_of_runtimes_become_one_line() -> None:
    native = "Exception from src/a.cpp:84:\nCheck 'x' failed at b.cpp:1:\nIncorrect weights in bin file!\n\n"
    assert reason(native) == "Incorrect weights in bin file!"
    listed = "FrontEnd API failed:\nModel wasn't converted.\nSummary:\n-- No rule for: foo.Bar\nSee https://x"
    assert reason(listed) == "No rule for: foo.Bar"
    assert reason(ValueError()) == "ValueError"


def test_cores_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceport.targets.machine.processors", lambda: [*range(8)])
    assert share_cores(2, None) == (2, 4)
    assert share_cores(0, None) == (8, 1)
    assert share_cores(1, 3) == (1, 3)


def test_a_network_is_named_by_its_layers() -> None:
    assert main_precision({"fp32": 3, "bf16": 5}) == "bf16"
    assert main_precision({"fp32": 30, "int8": 1}) == "int8"
    assert main_precision({}) == "fp32"
    assert int8_layers({"fp32": 30, "int8": 1}) == {"int8_layers": "1 of 31"}
    assert int8_layers({"fp32": 3}) == {}
