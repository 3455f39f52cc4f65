import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from faceport.graph.sizes import fix_sizes, has_content, smallest_sizes


def two_convolutions() -> onnx.ModelProto:
    """Convolve, halve, convolve: 7 rows and columns are the fewest that leave one."""
    weights = [
        numpy_helper.from_array(np.ones(shape, np.float32), name)
        for name, shape in (("a", (2, 3, 3, 3)), ("b", (1, 2, 3, 3)))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        helper.make_node("Conv", ["p", "b"], ["y"], kernel_shape=[3, 3]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", c, "h", "w"])
        for name, c in (("x", 3), ("y", 1))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_sizes_are_fixed_through_the_network() -> None:
    model = two_convolutions()
    before = model.SerializeToString()
    fixed = fix_sizes(model, {"x": (2, 3, 10, 9)})
    onnx.checker.check_model(fixed, full_check=True)
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*fixed.graph.input, *fixed.graph.value_info, *fixed.graph.output)
    }
    assert shapes == {"x": [2, 3, 10, 9], "c": [2, 2, 8, 7], "p": [2, 2, 4, 4], "y": [2, 1, 2, 2]}
    assert model.SerializeToString() == before
    x = np.random.default_rng(0).standard_normal((2, 3, 10, 9)).astype(np.float32)
    (right,), (found,) = (ReferenceEvaluator(one).run(None, {"x": x}) for one in (model, fixed))
    np.testing.assert_array_equal(right, found)


@pytest.mark.parametrize(("size", "works"), [(6, False), (7, True), (30, True)])
def test_sizes_that_leave_nothing_are_known(size: int, works: bool) -> None:
    assert has_content(fix_sizes(two_convolutions(), {"x": (1, 3, size, 30)})) == works


def test_the_smallest_sizes_are_found() -> None:
    found = smallest_sizes(two_convolutions(), {"x": (1, 3, 50, 41)}, {"x": (2, 3)})
    assert found == {"x": (1, 3, 7, 7)}
    assert smallest_sizes(two_convolutions(), {"x": (1, 3, 50, 41)}, {"x": (3,)}) == {"x": (1, 3, 50, 7)}
