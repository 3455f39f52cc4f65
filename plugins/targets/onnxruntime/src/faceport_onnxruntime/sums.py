"""How ONNX Runtime adds 8-bit products on this processor: it is asked, whatever the processor says it has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from faceport.graph.layers import MOST_OF_PAIR, attribute, pair_sums
from faceport.targets.saturation import ACTIVATION, DEPTH, WEIGHT, Sums

EXACT = "session.x64quantprecision"  # by slower kernels, for unsigned weights


@cache
def saturates() -> bool:
    """Let ONNX Runtime add products that are too large for 16 bits, and tell whether it cuts them off."""
    import onnxruntime as ort

    weights = numpy_helper.from_array(np.full((DEPTH, DEPTH), WEIGHT, np.int8), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["activations", "weights"], ["sums"])],
        "sums",
        [helper.make_tensor_value_info("activations", TensorProto.UINT8, [1, DEPTH])],
        [helper.make_tensor_value_info("sums", TensorProto.INT32, [1, DEPTH])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (sums,) = session.run(None, {"activations": np.full((1, DEPTH), ACTIVATION, np.uint8)})
    return bool((sums != DEPTH * ACTIVATION * WEIGHT).any())


def sums_of(path: Path) -> Sums:
    """Look at the weights of a quantised network's file, and at the processor."""
    model = onnx.load(path)
    stored = {
        t.name: numpy_helper.to_array(t) for t in model.graph.initializer if t.data_type == TensorProto.INT8
    }
    fits = all(
        (pair_sums(stored[node.input[0]], attribute(node, "axis", 1)) <= MOST_OF_PAIR).all()
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and stored.get(node.input[0], np.zeros(0)).ndim > 1
    )
    return Sums(fits, saturates(), "8 bits in pairs of 7")
