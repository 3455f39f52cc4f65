"""PReLU written in operators that are fast where PReLU itself is slow; the bits stay the same.

Where no slope is above 1 it is max(x, slope * x), in any case relu(x) - slope * relu(-x).
"""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper


def split_prelu(model: onnx.ModelProto, shortest: bool = False) -> list[str]:
    """Replace every PReLU, the last of its nodes keeping its name and its output; name the others.

    The shortest way takes the larger of two tensors, which no 8-bit kernel does.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    added: list[str] = []
    for node in model.graph.node:
        if node.op_type == "PRelu":
            slope = tensors.get(node.input[1])
            short = shortest and slope is not None and bool((numpy_helper.to_array(slope) <= 1).all())
            parts = _larger(node) if short else _split(node)
            nodes += parts
            added += [part.name for part in parts[:-1]]
        else:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return added


def _larger(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    (x, slope), (out,) = node.input, node.output
    return [
        helper.make_node("Mul", [slope, x], [f"{out}:scaled"], name=f"{node.name}/scaled"),
        helper.make_node("Max", [x, f"{out}:scaled"], [out], name=node.name),
    ]


def _split(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    (x, slope), (out,) = node.input, node.output
    positive, negated, negative, scaled = (f"{out}:{part}" for part in ("pos", "neg", "relu", "scaled"))
    return [
        helper.make_node("Relu", [x], [positive], name=f"{node.name}/positive"),
        helper.make_node("Neg", [x], [negated], name=f"{node.name}/negated"),
        helper.make_node("Relu", [negated], [negative], name=f"{node.name}/negative"),
        helper.make_node("Mul", [slope, negative], [scaled], name=f"{node.name}/scaled"),
        helper.make_node("Sub", [positive, scaled], [out], name=node.name),
    ]


def widen_slopes(model: onnx.ModelProto) -> None:
    """Give slopes of shape (channels, 1, 1) a leading axis: some converters know PReLU by that only."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        slope = tensors.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is not None and len(slope.dims) == 3:
            slope.dims.insert(0, 1)
