"""What is done to a network before it is rounded: it computes the same, and loses less."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from faceport.graph.bias import correct_biases
from faceport.graph.equalise import bridges, equalise
from faceport.graph.head import narrow_head
from faceport.graph.layers import constants, pair_sums, round_weights
from faceport.graph.levels import INT8, UINT8, UINT16
from faceport.graph.prepare import Recipe, prepare, squashed
from faceport.graph.qdq import Scheme, insert_qdq
from faceport.graph.ranges import Histogram, find_range
from faceport.types import Tensors

BETWEEN = frozenset(("Relu", "LeakyRelu", "Softmax", "Flatten"))


def uneven(spread: float = 2.5) -> onnx.ModelProto:
    """A convolution, a depthwise one and a dense one, whose channels differ by orders of magnitude."""
    rng = np.random.default_rng(0)
    factors = np.exp(rng.normal(0, spread, 8)).astype(np.float32)
    first = rng.standard_normal((8, 3, 3, 3)).astype(np.float32) * factors[:, None, None, None]
    values = {
        "a": first,
        "ab": rng.standard_normal(8).astype(np.float32) * factors,
        "d": rng.standard_normal((8, 1, 3, 3)).astype(np.float32) / factors[:, None, None, None],
        "p": rng.standard_normal((6, 8, 1, 1)).astype(np.float32),
        "pb": rng.standard_normal(6).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "a", "ab"], ["h"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("LeakyRelu", ["h"], ["i"], name="leaky", alpha=0.1),
        helper.make_node("Conv", ["i", "d"], ["j"], name="depthwise", group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["j"], ["k"], name="relu"),
        helper.make_node("Conv", ["k", "p", "pb"], ["y"], name="dense"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 6, 8, 8])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


CALLS = [{"x": np.random.default_rng(n).standard_normal((2, 3, 8, 8)).astype(np.float32)} for n in range(4)]


def opened(model: onnx.ModelProto):  # type: ignore[no-untyped-def]
    evaluator = ReferenceEvaluator(model)

    def run(inputs: Tensors) -> Tensors:
        return dict(zip(evaluator.output_names, evaluator.run(None, dict(inputs)), strict=True))

    return run


def noise(one: onnx.ModelProto, other: onnx.ModelProto) -> float:
    pairs = [(opened(one)(call)["y"], opened(other)(call)["y"]) for call in CALLS]
    return float(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((a**2).sum() for a, _ in pairs))


def rounded(mend: bool, levels=UINT8) -> onnx.ModelProto:  # type: ignore[no-untyped-def]
    model = uneven()
    ranges = prepare(model, opened, CALLS, Recipe("mse", mend, levels))
    assert insert_qdq(model, ranges, (), Scheme(levels, between=BETWEEN)) == 3
    onnx.checker.check_model(model, full_check=levels != UINT16)
    return model


def test_equalised_channels_compute_the_same() -> None:
    model = uneven()
    assert [bridge.tensor for bridge in bridges(model)] == ["i", "k"]
    peaks = {name: np.exp(np.random.default_rng(3).normal(0, 2, 8)) for name in ("i", "k")}
    assert equalise(model, peaks) == ["i", "k"]
    assert noise(uneven(), model) < 1e-10
    assert not np.allclose(constants(model)["d"], constants(uneven())["d"])


def test_a_tensor_that_somebody_else_reads_is_no_bridge() -> None:
    model = uneven()
    model.graph.output.append(helper.make_tensor_value_info("k", TensorProto.FLOAT, None))
    model.graph.node.append(helper.make_node("Add", ["i", "i"], ["twice"], name="aside"))
    assert bridges(model) == []


def test_preparation_costs_less_noise() -> None:
    plain, mended = noise(uneven(), rounded(False)), noise(uneven(), rounded(True))
    assert mended < 0.2 * plain


def test_biases_take_the_mean_error_back() -> None:
    model = uneven(0.5)
    ranges = prepare(model, opened, CALLS, Recipe("minmax", mend=False))
    before = uneven(0.5)
    assert correct_biases(model, ranges, ["depthwise"], opened, CALLS, INT8) == 2
    assert {"h:bias", "y:bias"} <= constants(model).keys() and "j:bias" not in constants(model)
    shift = constants(model)["h:bias"] - constants(before)["ab"]
    single = helper.make_model(
        helper.make_graph(
            [before.graph.node[0]],
            "one",
            before.graph.input,
            [helper.make_tensor_value_info("h", TensorProto.FLOAT, None)],
            before.graph.initializer,
        ),
        opset_imports=before.opset_import,
        ir_version=9,
    )
    coarse = onnx.ModelProto.FromString(single.SerializeToString())
    insert_qdq(coarse, ranges, (), Scheme(INT8, stored=False))
    errors = [opened(single)(call)["h"] - opened(coarse)(call)["h"] for call in CALLS]
    np.testing.assert_allclose(shift, np.mean(errors, axis=(0, 1, 3, 4)), atol=1e-5)


def test_sixteen_bits_are_finer_than_eight() -> None:
    model = uneven()
    ranges = prepare(model, opened, CALLS, Recipe("minmax"))
    assert UINT16.grid(ranges["x"]).scale < UINT8.grid(ranges["x"]).scale / 200
    insert_qdq(model, ranges, (), Scheme(UINT8, between=BETWEEN), wide=["dense"])
    kinds = {t.data_type for t in model.graph.initializer if t.name.endswith(":zero")}
    assert TensorProto.UINT16 in kinds and TensorProto.UINT8 in kinds
    assert "com.microsoft" in {used.domain for used in model.opset_import}


def test_a_range_before_a_leaky_rectifier_gives_up_negative_values() -> None:
    assert squashed(uneven()) == {"h": pytest.approx(0.1)}
    histogram = Histogram()
    histogram.add(np.random.default_rng(0).standard_normal(100_000).astype(np.float32))
    low, high = find_range(histogram, "mse", slope=0.1)
    evenly = find_range(histogram, "mse")
    assert low > evenly[0] / 1.25 and high >= 0.9 * evenly[1]


@pytest.mark.parametrize("shape", [(8, 5, 3, 3), (6, 7), (4, 1, 3, 3)])
def test_pairs_of_weights_stay_small(shape: tuple[int, ...]) -> None:
    weight = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    plain, _ = round_weights(weight, 0)
    small, scales = round_weights(weight, 0, in_pairs=True)
    assert np.abs(plain).max() == 127
    assert (pair_sums(small, 0) <= 128).all() and np.abs(small).max() > 64
    restored = small * scales.reshape(-1, *[1] * (weight.ndim - 1))
    assert np.abs(restored - weight).max() <= 0.51 * scales.max()
    depthwise = shape[1:2] == (1,)
    assert (pair_sums(plain, 0).max() > 128) is not depthwise  # who has no neighbours keeps all bits
    assert np.array_equal(plain, small) is depthwise
    full = round_weights(np.ones((2, 4), np.float32), 0, in_pairs=True)[0]
    assert (full == 64).all()


def test_a_narrow_head_ends_at_the_first_wide_layer() -> None:
    rng = np.random.default_rng(0)
    shapes = {"a": (8, 3, 3, 3), "b": (64, 8, 1, 1), "d": (64, 1, 3, 3), "c": (64, 64, 1, 1)}
    weights = [
        numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], name="first"),
        helper.make_node("Relu", ["p"], ["q"], name="relu"),
        helper.make_node("Conv", ["q", "b"], ["r"], name="widening"),
        helper.make_node("Conv", ["r", "d"], ["s"], name="depthwise", group=64),
        helper.make_node("Conv", ["s", "c"], ["t"], name="wide"),
        helper.make_node("Relu", ["t"], ["y"], name="last"),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    model = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], weights))
    assert narrow_head(model, 32) == ["first", "relu", "widening", "depthwise"]
    assert narrow_head(model, 2) == [] and narrow_head(model, 64) == []


def test_a_channel_that_no_call_woke_stays_as_it_is() -> None:
    model = uneven()
    before = constants(model)
    (bridge, *_) = bridges(model)
    peaks = np.arange(8, dtype=np.float32)  # the first was never heard
    equalise(model, {bridge.tensor: peaks})
    after = constants(model)
    assert np.array_equal(after["a"][0], before["a"][0]) and after["ab"][0] == before["ab"][0]
    assert not np.isclose(after["a"][1:], before["a"][1:]).all(axis=(1, 2, 3)).any()
    silent = uneven()
    equalise(silent, {bridge.tensor: np.zeros(8, np.float32)})
    assert all(np.array_equal(value, before[name]) for name, value in constants(silent).items())
