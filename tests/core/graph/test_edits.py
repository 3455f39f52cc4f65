from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from faceport.errors import ConfigError, FaceportError
from faceport.graph.half import is_half, to_half
from faceport.graph.names import excluded, lift_constants, load, name_nodes
from faceport.graph.norms import norms_to_convs
from faceport.graph.prelu import split_prelu
from faceport.graph.softmax import spread_softmax
from faceport.graph.taps import float_tensors, tap
from tests.core.toys import old_network


def small_network() -> onnx.ModelProto:
    """Convolve, PReLU, clip, resize, add a constant of a node."""
    rng = np.random.default_rng(0)

    def tensor(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)

    bound = helper.make_tensor("", TensorProto.FLOAT, [], [0.75])
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv"),
        helper.make_node("PRelu", ["c", "slope"], ["p"], name="prelu"),
        helper.make_node("Constant", [], ["high"], value=bound),
        helper.make_node("Clip", ["p", "", "high"], ["k"]),
        helper.make_node("Resize", ["k", "", "scales"], ["r"], mode="nearest"),
        helper.make_node("Shape", ["r"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["sizes"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["sizes"], ["total"], keepdims=0),
        helper.make_node("Div", ["r", "total"], ["y"], name="conv"),  # a name that is taken
    ]
    scales = numpy_helper.from_array(np.array([1, 1, 1.5, 1.5], np.float32), "scales")
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, 6, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 6, 9])],
        [tensor("w", 4, 2, 3, 3), tensor("b", 4), tensor("slope", 4, 1, 1), scales],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def prepared() -> onnx.ModelProto:
    model = small_network()
    lift_constants(model)
    name_nodes(model)
    return model


def run(model: onnx.ModelProto, check: bool = True) -> list[np.ndarray]:
    if check:
        onnx.checker.check_model(model, full_check=True)
    x = np.random.default_rng(1).standard_normal((3, 2, 6, 8)).astype(np.float32)
    return ReferenceEvaluator(model).run(None, {"x": x})


def test_load_brings_a_network_into_order(tmp_path: Path) -> None:
    onnx.save(small_network(), tmp_path / "n.onnx")
    model = load(tmp_path / "n.onnx")
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names) and names[0] == "conv" and names[-1] == "Div:y"
    assert "Constant" not in {node.op_type for node in model.graph.node}
    np.testing.assert_array_equal(run(model)[0], run(small_network())[0])
    again = onnx.ModelProto.FromString(model.SerializeToString())
    lift_constants(again)
    name_nodes(again)
    assert again == model


def test_old_operators_are_rewritten_under_their_names(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    onnx.save(old_network(2), path)
    assert load(path, opset=8) == load(path)
    model = load(path, opset=13)
    assert [node.op_type for node in model.graph.node][-3:] == ["Resize", "LeakyRelu", "BatchNormalization"]
    assert [node.name for node in model.graph.node][-3:] == ["up", "leaky", "norm"]
    onnx.checker.check_model(model, full_check=True)


def test_operators_that_nobody_rewrites_are_named(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    model = old_network(2)
    model.graph.node[1].CopyFrom(helper.make_node("Scan", ["u"], ["v"], name="scan"))
    onnx.save(model, path)
    with pytest.raises(
        FaceportError, match=r"n\.onnx: written in version 8 .*Unsupported conversion .*again"
    ):
        load(path, opset=13)


def test_splitting_prelu_changes_no_bit() -> None:
    model = prepared()
    added = split_prelu(model)
    operators = {node.name: node.op_type for node in model.graph.node}
    assert "PRelu" not in operators.values() and operators["prelu"] == "Sub" and len(added) == 4
    np.testing.assert_array_equal(run(model)[0], run(prepared())[0])
    assert split_prelu(model) == []


@pytest.mark.parametrize(("steepest", "last"), [(1.0, "Max"), (1.01, "Sub")])
def test_prelu_is_the_larger_of_two_where_no_slope_is_above_one(steepest: float, last: str) -> None:
    def model() -> onnx.ModelProto:
        made = prepared()
        slopes = np.array([-0.5, 0.0, 0.25, steepest], np.float32).reshape(4, 1, 1)
        slope = next(tensor for tensor in made.graph.initializer if tensor.name == "slope")
        slope.CopyFrom(numpy_helper.from_array(slopes, "slope"))
        return made

    edited = model()
    split_prelu(edited, shortest=True)
    assert {node.name: node.op_type for node in edited.graph.node}["prelu"] == last
    np.testing.assert_array_equal(run(edited)[0], run(model())[0])


@pytest.mark.parametrize("opset", [11, 13, 17, 18])
@pytest.mark.parametrize(("axis", "spread"), [(1, True), (-3, True), (3, False), (-1, False)])
def test_softmax_across_channels_is_spread_out(axis: int, spread: bool, opset: int) -> None:
    shape = ["batch", 2, "height", "width"]
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["y"], name="softmax", axis=axis)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    edited = onnx.ModelProto.FromString(model.SerializeToString())
    spread_softmax(edited)
    onnx.checker.check_model(edited, full_check=True)
    last = edited.graph.node[-1]
    assert (last.op_type, last.name) == ("Div" if spread and opset > 11 else "Softmax", "softmax")
    x = 40 * np.random.default_rng(0).standard_normal((2, 2, 5, 4)).astype(np.float32)
    one, other = (ReferenceEvaluator(each).run(None, {"x": x})[0] for each in (model, edited))
    np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("keep", [[], ["conv"], ["prelu", "Resize:r"], ["Cast:sizes"], ["Div:y"]])
def test_half_is_close_and_keeps_what_it_is_told(keep: list[str]) -> None:
    model = prepared()
    to_half(model, keep)
    right, found = run(prepared())[0], run(model)[0]
    assert found.dtype == np.float32 and 0 < np.abs(found - right).max() < 2e-3
    weights = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert ("w" in weights) == ("conv" in keep) and weights["scales"] == TensorProto.FLOAT
    before = model.SerializeToString()
    to_half(model)
    assert model.SerializeToString() == before and is_half(model)


def test_half_with_everything_kept_changes_no_bit() -> None:
    model = prepared()
    to_half(model, [node.name for node in model.graph.node])
    np.testing.assert_array_equal(run(model)[0], run(prepared())[0])
    assert not is_half(model)


def test_half_keeps_large_constants_finite() -> None:
    model = prepared()
    large = numpy_helper.from_array(np.full(4, 1e6, np.float32), "b")
    next(tensor for tensor in model.graph.initializer if tensor.name == "b").CopyFrom(large)
    to_half(model)
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    np.testing.assert_array_equal(found["b:half"], np.full(4, 65504, np.float16))


def test_taps_show_the_float_activations() -> None:
    model = prepared()
    makers = float_tensors(model)
    assert list(makers) == ["c", "p", "k", "r", "sizes", "total", "y"] and makers["p"] == "prelu"
    tapped = tap(model, makers)
    assert [value.name for value in tapped.graph.output] == ["y", "c", "p", "k", "r", "sizes", "total"]
    outputs = run(tapped, check=False)  # their shapes are not known
    np.testing.assert_array_equal(outputs[0], run(model)[0])
    np.testing.assert_array_equal(np.minimum(outputs[2], 0.75), outputs[3])


def test_excluded_entries_belong_to_networks() -> None:
    model = prepared()
    entries = ["conv", "mine:prelu", "other:anything", "Div:y"]
    assert excluded(model, "mine", entries) == ["conv", "prelu", "Div:y"]
    with pytest.raises(ConfigError, match=r"network 'mine' has no node 'prelo'. Did you mean prelu"):
        excluded(model, "mine", ["mine:prelo"])


def test_norms_of_images_become_convolutions() -> None:
    rng = np.random.default_rng(3)

    def tensor(name: str) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.uniform(0.5, 2, 2).astype(np.float32), name)

    nodes = [
        helper.make_node("BatchNormalization", ["x", *"abcd"], ["n"], name="norm", epsilon=1e-3),
        helper.make_node("GlobalAveragePool", ["n"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("BatchNormalization", ["f", *"abcd"], ["y"], name="last"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, 6, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [tensor(name) for name in "abcd"],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    right = run(model)[0]
    assert norms_to_convs(model) == ["norm"]
    assert [node.op_type for node in model.graph.node][::3] == ["Conv", "BatchNormalization"]
    np.testing.assert_allclose(run(model)[0], right, rtol=1e-5)
    assert norms_to_convs(model) == []
