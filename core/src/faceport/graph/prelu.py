"""PReLU written as relu(x) - slope * relu(-x): the same bits, and fast where PReLU itself is slow."""

from __future__ import annotations

import onnx
from onnx import helper


def split_prelu(model: onnx.ModelProto) -> list[str]:
    """Replace every PReLU, the last of its nodes keeping its name and its output; name the others."""
    nodes: list[onnx.NodeProto] = []
    added: list[str] = []
    for node in model.graph.node:
        if node.op_type == "PRelu":
            parts = _split(node)
            nodes += parts
            added += [part.name for part in parts[:-1]]
        else:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return added


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
