"""Tensors inside a network made visible: its activations as further outputs."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx import TensorProto, shape_inference


def float_tensors(model: onnx.ModelProto) -> dict[str, str]:
    """List the float activations of a network in the order of computation, with the nodes that make them."""
    typed = shape_inference.infer_shapes(model).graph
    floats = {
        value.name
        for value in (*typed.value_info, *typed.output)
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    return {output: node.name for node in model.graph.node for output in node.output if output in floats}


def tap(model: onnx.ModelProto, tensors: Iterable[str]) -> onnx.ModelProto:
    """Copy a network with more of its tensors as outputs."""
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    known = {value.name for value in (*tapped.graph.input, *tapped.graph.output)}
    for name in tensors:
        if name not in known:
            tapped.graph.output.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return tapped
