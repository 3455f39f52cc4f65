"""A network into which errors can be put: what an error in one place does to the outputs."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ERROR = ":error"  # of the input that is added to a tensor; zero where it is not given


def perturbable(model: onnx.ModelProto, tensors: Collection[str]) -> onnx.ModelProto:
    """Copy a network with an input for each of some tensors, `NAME:error`, which is added to it."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        copy = onnx.NodeProto.FromString(node.SerializeToString())
        nodes.append(copy)
        for slot, name in enumerate(node.output):
            if name in tensors:
                copy.output[slot] = f"{name}:made"
                nodes.append(
                    helper.make_node("Add", [f"{name}:made", name + ERROR], [name], name=name + ERROR)
                )
                graph.input.append(helper.make_tensor_value_info(name + ERROR, TensorProto.FLOAT, None))
                graph.initializer.append(numpy_helper.from_array(np.zeros((), np.float32), name + ERROR))
    del graph.node[:]
    graph.node.extend(nodes)
    return changed
