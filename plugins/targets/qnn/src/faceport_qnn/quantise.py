"""Integers as the NPU wants them: every tensor has some, from the first to the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx

from faceport.graph.layers import channel_axis, constants
from faceport.graph.levels import UINT8, UINT16
from faceport.graph.prepare import Recipe, prepare
from faceport.graph.qdq import Scheme, insert_qdq
from faceport.types import Tensors
from faceport_qnn.options import QnnOptions


def quantise(
    model: onnx.ModelProto, calls: Sequence[Tensors], wide: Sequence[str], options: QnnOptions
) -> dict[str, Any]:
    """Round all activations to 8 or 16 bits and weights to 8; say how many of each there are."""
    levels = UINT16 if options.precision == "int16" else UINT8
    ranges = prepare(model, runner, calls, Recipe(options.range, options.prepare, levels))
    weights = constants(model)
    layers = [node.name for node in model.graph.node if channel_axis(node, weights) is not None]
    total = len(model.graph.node)
    everything = frozenset(node.op_type for node in model.graph.node)
    insert_qdq(model, ranges, (), Scheme(levels, between=everything, ends=True), wide)
    narrow = [name for name in layers if name not in wide]
    if options.precision == "int16":
        return {"precision": "int16"}
    counted = {"int16_nodes": f"{len(set(wide))} of {total}"} if wide else {}
    precision = "int8" if narrow else "int16"
    return {"precision": precision, "int8_layers": f"{len(narrow)} of {len(layers)}", **counted}


def runner(model: onnx.ModelProto) -> Callable[[Tensors], Tensors]:
    """Make a network runnable on this processor, in floats."""
    import onnxruntime

    config = onnxruntime.SessionOptions()
    config.log_severity_level = 4
    config.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), config, providers=providers)
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Tensors) -> Tensors:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
