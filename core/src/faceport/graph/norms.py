"""Batch normalisation that stands alone as a convolution of each channel: what compilers know better."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference


def norms_to_convs(model: onnx.ModelProto) -> list[str]:
    """Replace every BatchNormalization of images by a depthwise 1x1 Conv of the same name; name them."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    typed = shape_inference.infer_shapes(model).graph
    images = {
        value.name
        for value in (*typed.input, *typed.value_info, *typed.output)
        if len(value.type.tensor_type.shape.dim) == 4
    }
    replaced = []
    for node in model.graph.node:
        known = node.op_type == "BatchNormalization" and all(name in tensors for name in node.input[1:])
        if not known or node.output[0] not in images:
            continue
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        scale, bias, mean, variance = (tensors[name].astype(np.float64) for name in node.input[1:])
        factor = scale / np.sqrt(variance + epsilon)
        weight, shift = f"{node.output[0]}:weight", f"{node.output[0]}:shift"
        for name, values in ((weight, factor.reshape(-1, 1, 1, 1)), (shift, bias - mean * factor)):
            model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
        inputs, output = [node.input[0], weight, shift], node.output[0]
        node.CopyFrom(
            helper.make_node("Conv", inputs, [output], name=node.name, group=len(factor), kernel_shape=[1, 1])
        )
        replaced.append(node.name)
    return replaced
