"""The search for the fewest nodes in float, on a target whose losses are known, and the ranking it trusts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import faceport
from faceport.api import Target
from faceport.errors import FaceportError
from faceport.plugins.loading import find_class
from faceport.study.budget import Outcome, _note, loss, search
from faceport.study.diagnose import NodeReport, diagnose
from tests.plugins.toys import builder, network


@dataclass(frozen=True)
class Options:
    precision: str = "int8"
    exclude: list[str] = field(default_factory=list)
    allow_fallback: bool = False


class Lossy(Target):
    """Lose some accuracy at each node that is not in float."""

    losses: Mapping[str, float] = {
        f"net:n{i}": loss for i, loss in enumerate([0.001, 0.02, 0.004, 0.03, 0.002])
    }

    Options = Options
    compile = open = None  # type: ignore[assignment]

    def accuracy(self) -> float:
        if self.options.precision == "fp32":
            return 0.9
        return 0.9 - sum(loss for node, loss in self.losses.items() if node not in self.options.exclude)


def report(node: str, caused: float | None) -> NodeReport:
    return NodeReport("net", node, "Conv", 1.0, 1.0, 0.0, 1.0, 0.0, caused=caused)


def run_search(
    budget: float, target: Lossy | None = None, reports: list[NodeReport] | None = None
) -> Outcome:
    told = reports or [report(name.partition(":")[2], loss) for name, loss in Lossy.losses.items()]
    return search(target or Lossy(), budget, lambda t: {"accuracy": t.accuracy()}, lambda t: told)  # type: ignore[arg-type, attr-defined]


@pytest.mark.parametrize(
    ("budget", "kept"),
    [(0.06, []), (0.03, ["n3"]), (0.0071, ["n3", "n1"]), (0.0035, ["n3", "n1", "n2"])],
)
def test_the_fewest_nodes_are_kept_in_float(budget: float, kept: list[str]) -> None:
    found = run_search(budget)
    assert found.within and list(found.excluded) == [f"net:{name}" for name in kept]
    assert abs(found.mixed["accuracy"] - 0.9) <= budget
    assert found.target.options.exclude == list(found.excluded)


def test_a_budget_that_cannot_be_met_is_said() -> None:
    class Hopeless(Lossy):
        def accuracy(self) -> float:
            return super().accuracy() - (0.5 if self.options.precision == "int8" else 0)

    found = run_search(0.01, Hopeless())
    assert not found.within and len(found.excluded) == 5


def test_undefined_numbers_are_not_watched_and_lost_ones_are_far() -> None:
    assert loss({"nme": 0.05, "val": math.nan}, {"nme": 0.06, "val": math.nan}) == pytest.approx(0.01)
    assert loss({"nme": 0.05, "val": 0.5}, {"nme": 0.05, "val": math.nan}) == math.inf
    assert loss({"nme": 0.05, "val": 0.5}, {"nme": 0.05}) == math.inf
    with pytest.raises(FaceportError, match=r"nothing to watch, fp32 gives no number \(nme\)"):
        search(Lossy(), 0.01, lambda _: {"nme": math.nan}, lambda _: [])  # type: ignore[arg-type]


def test_what_was_excluded_before_stays_excluded() -> None:
    found = run_search(0.0071, Lossy(Options(exclude=["net:n3"])))
    assert found.excluded == ("net:n1",) and found.target.options.exclude == ["net:n3", "net:n1"]


def test_nodes_whose_error_is_unknown_come_last() -> None:
    found = run_search(0.0071, reports=[report("n9", None), report("n3", 0.3), report("n1", 0.2)])
    assert list(found.excluded) == ["net:n3", "net:n1"]


def test_an_error_counts_by_what_it_does_to_the_outputs(tmp_path: Path) -> None:
    """Of two nodes with the same error of their own, the one that the outputs depend on ranks first."""
    made = network("free", dead_branch_net)
    kit = builder(faceport.create("target", "onnxruntime"), "onnxruntime", made, tmp_path)
    reports = diagnose(made, kit.exporter.onnx(made), Noisy(kit.target.options), kit.trials.inputs(made), ())  # type: ignore[union-attr]
    by_node = {report.node: report for report in reports}
    strong, weak = by_node["/strong/Conv"], by_node["/weak/Conv"]
    assert strong.introduced == pytest.approx(weak.introduced, rel=0.05)
    assert strong.introduced is not None and strong.introduced > 0.05
    assert strong.caused is not None and weak.caused is not None
    assert strong.caused > 50 * weak.caused > 0


def dead_branch_net() -> Any:
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.strong, self.weak = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, image):  # type: ignore[no-untyped-def]
            heat = self.strong(image) + 1e-3 * self.weak(image)
            return heat, heat.mean((2, 3))[:, :2]

    return Net()


class Noisy(find_class("target", "onnxruntime")):  # type: ignore[misc]
    """Scale the weights of every convolution by the same factor."""

    def compile(self, source: Any, out: Path, calibration: Any) -> None:
        super().compile(source, out, calibration)
        file = next(out.glob("*.onnx"))
        graph = onnx.load(file)
        convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
        used = {name for node in convolutions for name in node.input[1:]}
        for tensor in graph.graph.initializer:
            if tensor.name in used:
                values = onnx.numpy_helper.to_array(tensor) * np.float32(1.1)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        onnx.save(graph, file)


def test_the_note_names_the_number_that_int8_was_held_against(tmp_path: Path) -> None:
    found = run_search(0.03)
    assert "accuracy 0.873 (in fp32 0.9)" in _note(found, 0.03, 20, 20, tmp_path)
