"""What a target leaves out of its capabilities, the core does for it: targets of each kind answer rightly."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from faceport.api import Artifact, Target
from faceport.artifacts.shapes import compile_network, open_network
from faceport.errors import FaceportError
from faceport.networks.parity import compare_calls, worst
from faceport.testing.strict import KINDS
from faceport.testing.tiny import draw_inputs, right_outputs, tiny_source

SIZES = ((12, 16), (20, 8))  # height, width
TOLERANCE = 1e-5  # over the spread: all of them compute in fp32
CALLS = [draw_inputs(rows, *size, seed=rows) for rows, size in product((1, 3), SIZES)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("free", [False, True], ids=["one size", "free sizes"])
def test_what_a_target_cannot_do_is_done_for_it(kind: type[Target], free: bool, tmp_path: Path) -> None:
    calls = [inputs for inputs in CALLS if free or inputs["image"].shape[2:] == SIZES[0]]
    (tmp_path / "artifact").mkdir()
    source = tiny_source("onnx", free, tmp_path)
    compile_network(kind(), source, tmp_path / "artifact", calls)
    session = open_network(kind(), Artifact(tmp_path / "artifact", source.network, {}))
    right = [right_outputs(source.network, inputs) for inputs in calls]
    assert worst(compare_calls(right, [session.run(inputs) for inputs in calls]))[1] < TOLERANCE
    assert worst(compare_calls(right, session.run_many(calls)))[1] < TOLERANCE
    session.close()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "dynamic_shape" not in kind.capabilities])
def test_a_size_that_was_not_compiled_is_a_sentence(kind: type[Target], tmp_path: Path) -> None:
    (tmp_path / "artifact").mkdir()
    source = tiny_source("onnx", True, tmp_path)
    compile_network(kind(), source, tmp_path / "artifact", CALLS)
    session = open_network(kind(), Artifact(tmp_path / "artifact", source.network, {}))
    with pytest.raises(FaceportError, match="compiled for inputs of 3x12x16, 3x20x8, not of 3x8x8"):
        session.run(draw_inputs(1, 8, 8))
