"""Explicit 8 bits: QuantizeLinear and DequantizeLinear around layers, for compilers that do as types say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from faceport.graph.ranges import Range

QDQ_OPSET = 13  # the first in which every channel may have a scale of its own
LARGEST = 127  # of signed 8 bits, used on both sides of zero
INT8 = ":int8"


def insert_qdq(model: onnx.ModelProto, ranges: Mapping[str, Range], exclude: Iterable[str] = ()) -> int:
    """Quantise inputs (per tensor) and constant weights (per channel) of layers; count the layers."""
    graph, kept = model.graph, set(exclude)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    layers = 0
    for node in graph.node:
        axis = None if node.name in kept else channel_axis(node, weights)
        if axis is not None and _scale(ranges.get(node.input[0])) > 0:
            layers += 1
            for slot, name in enumerate(node.input[:2]):
                if name + INT8 not in made:
                    made.add(name + INT8)
                    scale = weight_scales(weights[name], axis) if slot else _input_scale(ranges[name])
                    nodes += _pair(graph, name, scale, axis if slot else None)
                node.input[slot] = name + INT8
        nodes.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    return layers


def channel_axis(node: onnx.NodeProto, weights: Mapping[str, np.ndarray]) -> int | None:
    """Find the axis of the output channels of a layer's weights; None for what is not such a layer."""
    if len(node.input) < 2 or node.input[1] not in weights:
        return None
    flags = {attribute.name: attribute.i for attribute in node.attribute}
    axes = {
        "Conv": 0,
        "ConvTranspose": 1 if flags.get("group", 1) == 1 else None,
        "Gemm": 0 if flags.get("transB") else 1,
        "MatMul": 1 if weights[node.input[1]].ndim == 2 else None,
    }
    return axes.get(node.op_type)


def _scale(found: Range | None) -> float:
    return max(-found[0], found[1]) / LARGEST if found else 0.0


def _input_scale(found: Range) -> np.ndarray:
    return np.array(_scale(found), np.float32)


def weight_scales(weight: np.ndarray, axis: int) -> np.ndarray:
    """Give each output channel the scale at which its largest weight is the largest integer."""
    others = tuple(other for other in range(weight.ndim) if other != axis)
    largest = np.abs(weight).max(others).astype(np.float32)
    return np.where(largest > 0, largest, 1).astype(np.float32) / LARGEST


def _pair(graph: onnx.GraphProto, name: str, scale: np.ndarray, axis: int | None) -> list[onnx.NodeProto]:
    scales, zeros, middle = f"{name}:scale", f"{name}:zero", f"{name}:quantised"
    graph.initializer.append(numpy_helper.from_array(scale, scales))
    graph.initializer.append(numpy_helper.from_array(np.zeros(np.shape(scale), np.int8), zeros))
    options = {} if axis is None else {"axis": axis}
    end = name + INT8
    return [
        helper.make_node("QuantizeLinear", [name, scales, zeros], [middle], name=middle, **options),
        helper.make_node("DequantizeLinear", [middle, scales, zeros], [end], name=end, **options),
    ]
