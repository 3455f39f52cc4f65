"""Free shapes that a target does not take: what its graphs fix, which calls it gets, what is opened."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from faceport.api import Artifact, Network, Session, Source, Target
from faceport.artifacts.shapes import INDEX, compile_network, fix_network, open_network
from faceport.errors import FaceportError, FreeSizesError
from faceport.testing.strict import FixedBatch, FixedShapes, FixedSizes, Reluctant, Strict
from faceport.testing.tiny import draw_inputs, right_outputs, tiny_source
from faceport.types import Tensors, TensorSpec
from tests.plugins.toys import builder, network

CALLS = [draw_inputs(rows, height, 8) for rows, height in ((1, 8), (3, 6), (5, 8))]


class Watched(Strict):
    """Note what each call of compile() gets."""

    def __init__(self, capabilities: set[str], batch: int | None = None) -> None:
        super().__init__()
        self.capabilities = frozenset(capabilities)  # type: ignore[misc]
        self._batch = batch
        self.graphs: list[list[Any]] = []  # shape of the image in each graph
        self.networks: list[Network] = []
        self.calls: list[list[tuple[int, ...]]] = []  # shapes of the images

    @property
    def batch(self) -> int | None:
        return self._batch

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        assert not any(out.iterdir()), "the folder must be empty"
        (value,) = onnx.load(source.onnx()).graph.input
        sizes = value.type.tensor_type.shape.dim
        self.graphs.append([size.dim_value or size.dim_param for size in sizes])
        self.networks.append(source.network)
        self.calls.append([inputs["image"].shape for inputs in calibration])
        super().compile(source, out, calibration)


def compiled(target: Target, folder: Path, free: bool = True, calls: Any = CALLS) -> Artifact:
    """Compile the tiny network."""
    (folder / "artifact").mkdir()
    source = tiny_source("onnx", free, folder)
    compile_network(target, source, folder / "artifact", calls)
    return Artifact(folder / "artifact", source.network, {})


def test_who_takes_everything_gets_the_source_as_it_is(tmp_path: Path) -> None:
    target = Watched({"dynamic_batch", "dynamic_shape"})
    artifact = compiled(target, tmp_path)
    assert target.graphs == [["batch", 3, "height", "width"]] and target.networks == [artifact.network]
    assert target.calls == [[call["image"].shape for call in CALLS]]
    assert not (artifact.path / INDEX).exists()


def test_a_batch_is_fixed_and_the_calls_are_cut_to_it(tmp_path: Path) -> None:
    target = Watched({"dynamic_shape"}, batch=2)
    session = open_network(target, compiled(target, tmp_path))
    assert target.graphs == [[2, 3, "height", "width"]] and target.networks[0].batch == 2
    assert target.calls == [[(2, 3, 8, 8), *[(2, 3, 6, 8)] * 2, *[(2, 3, 8, 8)] * 3]]
    assert session.facts["batch"] == "2" and session.facts["sizes"] == "any"


def test_sizes_are_fixed_to_those_recorded_each_with_its_own_calls(tmp_path: Path) -> None:
    target = Watched({"dynamic_batch"})
    session = open_network(target, compiled(target, tmp_path))
    assert target.graphs == [["batch", 3, 6, 8], ["batch", 3, 8, 8]]
    assert target.calls == [[(3, 3, 6, 8)], [(1, 3, 8, 8), (5, 3, 8, 8)]]
    assert session.facts["sizes"] == "3x6x8, 3x8x8" and "batch" not in session.facts


def test_a_graph_is_static_where_nothing_may_be_free(tmp_path: Path) -> None:
    target = Watched(set(), batch=4)
    artifact = compiled(target, tmp_path)
    assert target.graphs == [[4, 3, 6, 8], [4, 3, 8, 8]]
    features = target.networks[0].outputs[0]
    assert features.shape == ("batch", 4, 6, 8), "what is free in the outputs is bound too"
    assert open_network(target, artifact).run(draw_inputs(1, 6, 8))["features"].shape == (1, 4, 6, 8)


def test_without_free_sizes_only_the_batch_is_fixed(tmp_path: Path) -> None:
    target = Watched(set(), batch=1)
    artifact = compiled(target, tmp_path, free=False, calls=())
    assert target.graphs == [[1, 3, 12, 16]] and target.calls == [[]]
    assert not [path for path in artifact.path.iterdir() if path.is_dir()]
    assert "sizes" not in open_network(target, artifact).facts


class Choosy(Watched):
    """Compile one shape, and give up on any other in the middle."""

    takes: tuple[Any, ...] = (1, 3, "height", "width")

    def refuse(self, why: str) -> None:
        """Go on."""

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        super().compile(source, out, calibration)
        if tuple(self.graphs[-1]) != self.takes:
            (out / "half a file").write_text("made before it gave up")
            raise FreeSizesError("no such thing as a free size")


def test_as_little_is_fixed_as_the_target_can_do_with(tmp_path: Path) -> None:
    target = Choosy({"dynamic_batch", "some_dynamic_shapes"})
    artifact = compiled(target, tmp_path)
    assert target.graphs == [["batch", 3, "height", "width"], [1, 3, "height", "width"]]
    assert sorted(path.name for path in artifact.path.iterdir()) == ["model.onnx", INDEX]
    inputs = draw_inputs(5, 7, 9)
    found = open_network(target, artifact).run(inputs)["features"]
    np.testing.assert_allclose(found, right_outputs(artifact.network, inputs)["features"], atol=1e-5)


def test_a_promise_of_any_size_is_not_helped_with_recorded_ones(tmp_path: Path) -> None:
    target = Choosy({"dynamic_batch", "dynamic_shape"})
    target.takes = ()
    with pytest.raises(FreeSizesError, match="no such thing"):
        compiled(target, tmp_path)
    assert [graph[2:] for graph in target.graphs] == [["height", "width"]] * 2


def test_a_finished_file_keeps_its_own_batch() -> None:
    spec = TensorSpec("x", ("batch", 3, "height"))
    made = fix_network(Network("n", (spec,), (spec,), batch=8), 8, (("x", (3, 5)),))
    assert made.batch == 8 and made.inputs[0].shape == ("batch", 3, 5) == made.outputs[0].shape
    assert made.example_inputs()["x"].shape == (8, 3, 5)


@pytest.mark.parametrize("content", ["", "[]", '{"batch": 1}', '{"sizes": 3, "batch": 1}', "\0"])
def test_a_damaged_index_is_a_sentence(content: str, tmp_path: Path) -> None:
    artifact = compiled(FixedShapes(), tmp_path)
    (artifact.path / INDEX).write_text(content)
    with pytest.raises(FaceportError, match="cannot open .*: its sizes.json is damaged. Delete the folder"):
        open_network(FixedShapes(), artifact)


def test_what_was_opened_is_closed_when_the_next_size_does_not_open(tmp_path: Path) -> None:
    closed: list[str] = []

    class Fragile(FixedSizes):
        def open(self, artifact: Artifact) -> Session:
            if artifact.path.name == "1":
                raise FaceportError("out of memory")
            session = super().open(artifact)
            session.close = lambda: closed.append(artifact.path.name)  # type: ignore[method-assign]
            return session

    artifact = compiled(Fragile(), tmp_path)
    with pytest.raises(FaceportError, match="out of memory"):
        open_network(Fragile(), artifact)
    assert closed == ["0"]


@pytest.mark.parametrize("kind", [FixedBatch, FixedSizes, FixedShapes, Reluctant])
def test_the_builder_asks_for_sizes_and_keeps_batches_apart(kind: type[Strict], tmp_path: Path) -> None:
    made = network("free")
    built = builder(kind(), "strict", made, tmp_path).build()
    manifest = built.artifacts["free"].manifest
    assert manifest["parity"]["calls"] == 4 and manifest["runs_as"] == built.sessions["free"].facts
    assert manifest["recipe"].get("batch") == kind().batch
    assert ("calls" in manifest["recipe"]) == ("dynamic_shape" not in kind.capabilities)
