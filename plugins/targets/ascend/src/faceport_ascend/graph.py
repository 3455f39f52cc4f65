"""What atc wants of a graph: one opset, slopes as wide as inputs, whole clips, no softmax at the end."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference

SOFTMAX_BY_AXIS = 13  # opset from which a softmax looks at its axis only
LARGEST = float(np.finfo(np.float32).max)


def prepare(model: onnx.ModelProto, cut_softmax: bool) -> dict[str, int]:
    """Edit a graph in place; give the axis of each softmax that the host now owes, by output."""
    _keep_one_opset(model)
    _widen_slopes(model)
    _bound_clips(model)
    return _cut_softmax(model) if cut_softmax else {}


def out_nodes(model: onnx.ModelProto) -> str:
    """Name the nodes of the outputs as --out_nodes wants them, which fixes their order."""
    makers = {name: (node.name, place) for node in model.graph.node for place, name in enumerate(node.output)}
    return ";".join(f"{makers[out.name][0]}:{makers[out.name][1]}" for out in model.graph.output)


def plain_names(model: onnx.ModelProto) -> None:
    """Name nodes so that ':' and ';' mean what atc takes them for."""
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"


def _keep_one_opset(model: onnx.ModelProto) -> None:
    """Leave the one opset of ONNX: atc refuses a second domain (E16005)."""
    used = {node.domain for node in model.graph.node}
    kept = [one for one in model.opset_import if one.domain in ("", "ai.onnx")]
    if used <= {"", "ai.onnx"} and kept:
        del model.opset_import[:]
        model.opset_import.extend(kept[:1])


def _widen_slopes(model: onnx.ModelProto) -> None:
    """Give slopes the rank of their inputs: (C, 1, 1) becomes (1, C, 1, 1), and (C,) becomes (1, C)."""
    typed = shape_inference.infer_shapes(model).graph
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*typed.input, *typed.value_info, *typed.output)
    }
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        slope = tensors.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is None:
            continue
        wanted = ranks.get(node.input[0]) or {3: 4, 1: 2}.get(len(slope.dims), 0)
        while len(slope.dims) < wanted:  # a slope that two nodes share is widened once
            slope.dims.insert(0, 1)


def _bound_clips(model: onnx.ModelProto) -> None:
    """Write both bounds of every Clip, as attributes up to opset 10, as inputs from 11 on."""
    opset = _opset(model)
    for node in model.graph.node:
        if node.op_type != "Clip":
            continue
        if opset < 11:
            given = {attribute.name for attribute in node.attribute}
            for name, bound in (("min", -LARGEST), ("max", LARGEST)):
                if name not in given:
                    node.attribute.append(onnx.helper.make_attribute(name, bound))
            continue
        node.input.extend([""] * (3 - len(node.input)))
        for place, bound in ((1, -LARGEST), (2, LARGEST)):
            if not node.input[place]:
                name = f"{node.name}_bound{place}"
                model.graph.initializer.append(numpy_helper.from_array(np.float32(bound), name))
                node.input[place] = name


def _cut_softmax(model: onnx.ModelProto) -> dict[str, int]:
    """Take a softmax away that makes an output and nothing else; the output keeps its name."""
    readers: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    outputs = {value.name: value for value in model.graph.output}
    makers = {name: node for node in model.graph.node for name in node.output}
    found: dict[str, int] = {}
    for name in outputs:
        node = makers.get(name)
        if node is None or node.op_type != "Softmax" or readers.get(name):
            continue
        before = makers.get(node.input[0])
        if before is None or readers[node.input[0]] > 1 or node.input[0] in outputs:
            continue
        rank = len(outputs[name].type.tensor_type.shape.dim)
        axis = next(
            (item.i for item in node.attribute if item.name == "axis"), -1 if _opset(model) >= 13 else 1
        )
        if _opset(model) < SOFTMAX_BY_AXIS and axis not in (-1, rank - 1):
            continue  # it looks at all axes from there on
        before.output[list(before.output).index(node.input[0])] = name
        model.graph.node.remove(node)
        found[name] = axis
    return found


def _opset(model: onnx.ModelProto) -> int:
    version: int = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    return version
