"""Networks in 16-bit floats between 32-bit inputs and outputs, for runtimes that do what the graph says."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

HALF = ":half"
LARGEST = float(np.finfo(np.float16).max)
STAYS_FLOAT = {"Resize": (1, 2)}  # inputs whose type the operator fixes: roi and scales


def to_half(model: onnx.ModelProto, keep: Iterable[str] = ()) -> None:
    """Compute in fp16 what is fp32; nodes in `keep`, inputs and outputs stay fp32, with casts between."""
    if is_half(model):
        return
    writer = _Writer(model)
    floats = set(keep)
    for node in model.graph.node:
        writer.add(node, node.name not in floats)
    writer.finish()


def is_half(model: onnx.ModelProto) -> bool:
    """Tell whether a network holds fp16 weights or casts to fp16."""
    casts = (a.i for node in model.graph.node if node.op_type == "Cast" for a in node.attribute)
    types = [tensor.data_type for tensor in model.graph.initializer]
    return TensorProto.FLOAT16 in (*types, *casts)


class _Writer:
    """Rewrite nodes one by one; a tensor has an fp32 form, an fp16 form or both, made when it is wanted."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = graph = model.graph
        typed = shape_inference.infer_shapes(model).graph
        self._constants = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT}
        values = (*typed.input, *typed.value_info, *typed.output)
        self._floats = set(self._constants) | {
            value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT
        }
        self._made = {value.name for value in graph.input} | set(self._constants)
        self._nodes: list[onnx.NodeProto] = []

    def add(self, node: onnx.NodeProto, half: bool) -> None:
        """Write a node in one of the two types."""
        fixed = STAYS_FLOAT.get(node.op_type, ())
        for slot, name in enumerate(node.input):
            if name in self._floats:
                node.input[slot] = self._form(name, half and slot not in fixed)
        for slot, name in enumerate(node.output):
            if name in self._floats:
                node.output[slot] = name + HALF if half else name
                self._made.add(node.output[slot])
        if half:
            for attribute in node.attribute:
                _halve(attribute, node.op_type)
        self._nodes.append(node)

    def _form(self, name: str, half: bool) -> str:
        wanted = name + HALF if half else name
        if wanted in self._made:
            return wanted
        if name in self._constants:
            self._graph.initializer.append(_half_tensor(self._constants[name], wanted))
        else:
            have, to = (name, TensorProto.FLOAT16) if half else (name + HALF, TensorProto.FLOAT)
            self._nodes.append(helper.make_node("Cast", [have], [wanted], name=f"{wanted}:cast", to=to))
        self._made.add(wanted)
        return wanted

    def finish(self) -> None:
        """Make the outputs and put the nodes in place."""
        for value in self._graph.output:
            if value.name in self._floats:
                self._form(value.name, half=False)
        used = {name for node in self._nodes for name in node.input}
        tensors = [tensor for tensor in self._graph.initializer if tensor.name in used]
        for field, content in (("node", self._nodes), ("initializer", tensors), ("value_info", [])):
            copied = [type(item)() for item in content]
            for copy, item in zip(copied, content, strict=True):
                copy.CopyFrom(item)
            self._graph.ClearField(field)
            getattr(self._graph, field).extend(copied)


def _halve(attribute: onnx.AttributeProto, op_type: str) -> None:
    if op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
        attribute.i = TensorProto.FLOAT16
    elif attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
        attribute.t.CopyFrom(_half_tensor(attribute.t, attribute.t.name))


def _half_tensor(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    values = np.clip(numpy_helper.to_array(tensor), -LARGEST, LARGEST)
    return numpy_helper.from_array(values.astype(np.float16), name)
