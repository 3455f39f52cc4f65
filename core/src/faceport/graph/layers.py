"""Layers as 8 bits see them: which axis of their weights is of output channels, and their largest weights."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

LARGEST = 127  # of signed 8 bits, used on both sides of zero
MOST_OF_PAIR = 128  # times 255, it stays within 16 bits
PAIR_ROUNDS = 8


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Give the values of a network's constants by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Read an attribute of a node."""
    match = next((one for one in node.attribute if one.name == name), None)
    return default if match is None else onnx.helper.get_attribute_value(match)


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


def weight_scales(weight: np.ndarray, axis: int, largest: int = LARGEST) -> np.ndarray:
    """Give each output channel the scale at which its largest weight is the largest integer."""
    others = tuple(other for other in range(weight.ndim) if other != axis)
    peaks = np.abs(weight).max(others).astype(np.float32)
    return np.where(peaks > 0, peaks, 1).astype(np.float32) / np.float32(largest)


def round_weights(weight: np.ndarray, axis: int, in_pairs: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Round weights to integers with a scale for each output channel; give integers and scales.

    `in_pairs`: no two neighbours may add up to more than 128, for processors that add every two products in
    16 bits. What is read channel by channel has no neighbours.
    """
    scales = weight_scales(weight, axis)
    rows = _rows(weight, axis)
    if in_pairs and rows is not None:
        for _ in range(PAIR_ROUNDS):
            sums = pair_sums(_rounded(rows, 0, scales), 0)
            if (sums <= MOST_OF_PAIR).all():
                break
            scales = scales * np.maximum(sums / np.float32(MOST_OF_PAIR), 1).astype(np.float32)
        sums = pair_sums(_rounded(rows, 0, scales), 0)
        scales = np.where(sums > MOST_OF_PAIR, weight_scales(weight, axis, MOST_OF_PAIR // 2), scales)
    return _rounded(weight, axis, scales), scales.astype(np.float32)


def pair_sums(integers: np.ndarray, axis: int) -> np.ndarray:
    """Give the largest sum of two neighbouring weights of one sign in each output channel."""
    rows = _rows(integers, axis)
    if rows is None:
        return np.zeros(integers.shape[axis], np.int64)
    padded = np.pad(rows.astype(np.int64), ((0, 0), (0, rows.shape[1] % 2)))
    first, second = padded[:, ::2], padded[:, 1::2]
    return np.asarray(np.where(first * second > 0, np.abs(first + second), 0).max(1, initial=0))


def _rows(weight: np.ndarray, axis: int) -> np.ndarray | None:
    """Lay the weights of each output channel in the order of the products: position, then input channel."""
    rows = np.moveaxis(weight, axis, 0)
    if rows.ndim > 2 and rows.shape[1] == 1:
        return None  # depthwise
    return np.moveaxis(rows, 1, -1).reshape(len(rows), -1)


def _rounded(weight: np.ndarray, axis: int, scales: np.ndarray) -> np.ndarray:
    shape = [-1 if one == axis else 1 for one in range(weight.ndim)]
    return np.asarray(np.clip(np.rint(weight / scales.reshape(shape)), -LARGEST, LARGEST), np.int8)


def readers(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    """List the nodes that read each tensor."""
    nodes_by_input: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in dict.fromkeys(node.input):
            nodes_by_input[name].append(node)
    return nodes_by_input


def uses(model: onnx.ModelProto) -> Counter[str]:
    """Count how often each tensor is read, the network's outputs included."""
    counted = Counter(name for node in model.graph.node for name in node.input)
    counted.update(output.name for output in model.graph.output)
    return counted


def set_nodes(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Replace the nodes of a network; those given may be its own."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def set_constants(model: onnx.ModelProto, values: Mapping[str, np.ndarray]) -> None:
    """Replace the values of constants, or add them; what no node reads any more is left out."""
    used = {name for node in model.graph.node for name in node.input}
    untouched = [
        tensor for tensor in model.graph.initializer if tensor.name in used and tensor.name not in values
    ]
    made = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    copies = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in (*untouched, *made)]
    del model.graph.initializer[:]
    model.graph.initializer.extend(copies)
