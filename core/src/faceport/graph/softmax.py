"""Softmax across channels, written as steps over whole tensors.

ONNX Runtime turns a tensor so that the axis comes last, goes through it row by row, and turns it back; a map
of two classes has a hundred thousand rows of two numbers.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

OPSET = 13  # from which on `axis` names one axis
AXES_ARE_INPUTS = 18  # of ReduceMax


def spread_softmax(model: onnx.ModelProto) -> None:
    """Replace every Softmax whose axis is known not to be the last; the last step keeps name and output."""
    opset = next(used.version for used in model.opset_import if used.domain in ("", "ai.onnx"))
    if opset < OPSET or not any(node.op_type == "Softmax" for node in model.graph.node):
        return
    typed = shape_inference.infer_shapes(model).graph
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*typed.value_info, *typed.input, *typed.output)
        if value.type.tensor_type.HasField("shape")
    }
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        axis = next((one.i for one in node.attribute if one.name == "axis"), -1)
        rank = ranks.get(node.input[0], 0) if node.op_type == "Softmax" else 0
        if rank and axis % rank != rank - 1:
            axes = numpy_helper.from_array(np.array([axis % rank], np.int64), f"{node.output[0]}:axes")
            model.graph.initializer.append(axes)
            nodes += _steps(node, axes.name, axis % rank, opset)
        else:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _steps(node: onnx.NodeProto, axes: str, axis: int, opset: int) -> list[onnx.NodeProto]:
    (x,), (out,) = node.input, node.output
    top, low, powers, total = (f"{out}:{part}" for part in ("max", "low", "exp", "sum"))
    late = opset >= AXES_ARE_INPUTS
    return [
        helper.make_node(
            "ReduceMax",
            [x, axes] if late else [x],
            [top],
            name=f"{node.name}/max",
            **({} if late else {"axes": [axis]}),
        ),
        helper.make_node("Sub", [x, top], [low], name=f"{node.name}/low"),
        helper.make_node("Exp", [low], [powers], name=f"{node.name}/exp"),
        helper.make_node("ReduceSum", [powers, axes], [total], name=f"{node.name}/sum"),
        helper.make_node("Div", [powers, total], [out], name=node.name),
    ]
