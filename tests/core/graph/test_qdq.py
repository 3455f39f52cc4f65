import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from faceport.graph.qdq import insert_qdq
from faceport.graph.ranges import measure
from faceport.graph.taps import float_tensors, tap


def layered() -> onnx.ModelProto:
    """Two branches of one input, a transposed convolution, a linear layer, a product of two activations."""
    rng = np.random.default_rng(0)
    shapes = {"a": (4, 3, 3, 3), "b": (4, 3, 1, 1), "t": (4, 2, 2, 2), "g": (5, 2), "m": (5, 6), "bias": (4,)}
    weights = [
        numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "a", "bias"], ["p"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["x", "b"], ["q"], name="second"),
        helper.make_node("Mul", ["p", "q"], ["r"], name="product"),
        helper.make_node("ConvTranspose", ["r", "t"], ["s"], name="up", strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["s"], ["u"], name="pool"),
        helper.make_node("Flatten", ["u"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "g"], ["h"], name="gemm", transB=1),
        helper.make_node("MatMul", ["h", "m"], ["y"], name="matmul"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 6])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


CALLS = [{"x": np.random.default_rng(n).standard_normal((n, 3, 8, 8)).astype(np.float32)} for n in (1, 3, 2)]


def ranges() -> dict[str, tuple[float, float]]:
    model = layered()
    evaluator = ReferenceEvaluator(tap(model, float_tensors(model)))
    return measure(
        lambda inputs: dict(zip(evaluator.output_names, evaluator.run(None, inputs), strict=True)),
        CALLS,
        "minmax",
    )


def test_ranges_cover_inputs_and_activations() -> None:
    found = ranges()
    assert set(found) == {"x", "p", "q", "r", "s", "u", "f", "h", "y"}
    assert found["x"] == pytest.approx((min(c["x"].min() for c in CALLS), max(c["x"].max() for c in CALLS)))


def test_every_layer_is_quantised_symmetrically() -> None:
    model = layered()
    assert insert_qdq(model, ranges()) == 5
    onnx.checker.check_model(model, full_check=True)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    zeros = [value for name, value in constants.items() if name.endswith(":zero")]
    assert zeros and all(value.dtype == np.int8 and not value.any() for value in zeros)
    assert constants["a:scale"].shape == (4,) and constants["t:scale"].shape == (2,)
    assert constants["g:scale"].shape == (5,) and constants["m:scale"].shape == (6,)
    assert constants["x:int8:scale"].shape == ()
    shared = [node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "x"]
    assert len(shared) == 1  # both branches read one pair
    for call in CALLS:
        right, found = (ReferenceEvaluator(one).run(None, call)[0] for one in (layered(), model))
        error = np.abs(found - right).max() / np.abs(right).max()
        assert 0 < error < 0.1


def test_excluded_layers_and_dead_tensors_stay_as_they_are() -> None:
    model = layered()
    assert insert_qdq(model, ranges() | {"f": (0.0, 0.0)}, ["first", "up"]) == 2
    inputs = {node.name: list(node.input) for node in model.graph.node}
    assert inputs["first"] == ["x", "a", "bias"] and inputs["gemm"] == ["f", "g"]
    assert inputs["second"] == ["x:int8", "b:int8"]


def test_a_second_time_changes_nothing() -> None:
    model = layered()
    insert_qdq(model, ranges())
    before = model.SerializeToString()
    assert insert_qdq(model, ranges()) == 0 and model.SerializeToString() == before
