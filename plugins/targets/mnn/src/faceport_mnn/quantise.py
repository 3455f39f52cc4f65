"""int8 with our own ranges: what MNN's converter is told of layers, and what its network then lacks.

The converter reads a file of scales (MNN.Compression, the one that MNN's tools for training hand over) for
convolutions only. What lies between them needs a scale as well to run in 8 bits, and is described in the
network itself, written out as JSON and read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from faceport.graph.layers import LARGEST, channel_axis, weight_scales
from faceport.graph.ranges import Range

LAYERS = ("Conv", "Gemm", "MatMul")  # what becomes a convolution of MNN
ELEMENTWISE = ("Add", "Sub", "Mul")
FUSED = ("Relu", "Clip")  # into the layer, or the element-wise operator, before them
BETWEEN = (  # not among them: Softmax and Sigmoid, whose 256 steps would give many faces the same score
    *ELEMENTWISE,
    *("Concat", "Resize", "Upsample", "Pad", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Relu", "LeakyRelu", "PRelu", "Clip"),
)
MOVED = "__before_tr"  # what the converter appends to the name of an output that it lays out anew
LINEAR = "__matmul_converted"  # and to that of a linear layer
STORED_AWAY = 1 << 16  # weights
WIDER = 1.001
LOWEST, HIGHEST = -128, 127


class Quantisation:
    """The scales of a network: of weights per channel, of activations with a zero point."""

    def __init__(self, model: onnx.ModelProto, ranges: Mapping[str, Range], exclude: Iterable[str]) -> None:
        kept = set(exclude)
        shown = {output.name for output in model.graph.output}
        weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._activations = activation_scales(model, ranges)
        self._weights: dict[str, list[float]] = {}  # by the names that the output of a layer may get
        self._inputs: dict[str, str] = {}
        read = {name for node in model.graph.node for name in node.input}  # what is not read is a result
        between = (node for node in model.graph.node if node.op_type in BETWEEN and node.name not in kept)
        described = {node.output[0] for node in between} & read
        described.update(node.input[0] for node in model.graph.node if node.op_type == "MaxPool")
        self._described = described & ranges.keys()  # sizes have no range
        for node in model.graph.node:
            axis = channel_axis(node, weights) if node.op_type in LAYERS and node.name not in kept else None
            if axis is None or node.input[0] not in ranges or _too_large(node, weights):
                continue
            scales = weight_scales(weights[node.input[1]], axis).tolist()
            *inner, end = _ends(model, node, shown)
            self._described.update((node.input[0], end))
            for name in (*inner, end):
                self._activations[name] = self._activations[end]
                self._weights[name], self._inputs[name] = scales, node.input[0]

    def layers(self) -> dict[str, Any]:
        """Write what the converter reads; the output of a layer may get any of these names."""
        layers = [
            {
                "input": [self._told(self._inputs[name], self._inputs[name])],
                "weight": [{"name": name, "scales": scales, "clampMin": -LARGEST, "clampMax": LARGEST}],
                "output": [self._told(name + suffix, name)],
            }
            for name, scales in self._weights.items()
            for suffix in ("", MOVED)
        ]
        steps = {"roundMode": "ROUND_HALF_TO_EVEN", "layer": layers}
        return {"version": "0.0.0", "algo": [{"type": "QUANTIZE", "quantParams": steps}]}

    def _told(self, name: str, source: str) -> dict[str, Any]:
        found = self._activations[source]
        limits = {"clampMin": LOWEST, "clampMax": HIGHEST}
        return {"name": name, "scales": [found["scale"]], "zeroPoint": found["zero"], **limits}

    def complete(self, graph: dict[str, Any]) -> None:
        """Describe the tensors between layers too; write all scales in full, the JSON has cut them."""
        names: list[str] = graph["tensorName"]
        plain = (name.removesuffix(MOVED) for name in names)
        sources = {index: name for index, name in enumerate(plain) if name in self._described}
        for operator in graph["oplists"]:
            quantised = (operator.get("main") or {}).get("quanParameter")
            if quantised:
                given, result = operator["inputIndexes"][0], operator["outputIndexes"][0]
                layer = names[result].removesuffix(MOVED).removesuffix(LINEAR)
                sources |= {given: self._inputs[layer], result: layer}
                quantised["alpha"] = self._weights[layer]
                quantised["scaleIn"] = self._activations[self._inputs[layer]]["scale"]
                quantised["scaleOut"] = self._activations[layer]["scale"]
        limits = {"min": LOWEST, "max": HIGHEST, "type": "DT_INT8"}
        graph["extraTensorDescribe"] = [
            {"index": index, "quantInfo": {**self._activations[name], **limits}}
            for index, name in sources.items()
        ]


def activation_scales(model: onnx.ModelProto, ranges: Mapping[str, Range]) -> dict[str, dict[str, float]]:
    """Turn ranges into scales and zero points, around two mistakes that MNN 3.6 makes in 8 bits."""
    pooled = {node.output[0] for node in model.graph.node if node.op_type == "MaxPool"}
    sums = {node.output[0] for node in model.graph.node if node.op_type in ELEMENTWISE}
    cut = {node.output[0] for node in model.graph.node if node.op_type in FUSED and node.input[0] in sums}
    scales: dict[str, dict[str, float]] = {}
    for name, (low, high) in ranges.items():
        if name in cut:  # a sum and its ReLU are cut off at 0, wherever their zero point is
            scales[name] = {"scale": max(-low, high) / HIGHEST or 1.0, "zero": 0}
        else:  # a pool takes a wrong maximum where it reads and writes in one scale
            scale = (high - low) * (WIDER if name in pooled else 1) / (HIGHEST - LOWEST) or 1.0
            scales[name] = {"scale": scale, "zero": round(LOWEST - low / scale)}
    return scales


def apart(model: onnx.ModelProto) -> None:
    """Keep a sum of sums apart from its rectifier: computed together in 8 bits they give zeros."""
    sums = {node.output[0]: node for node in model.graph.node if node.op_type in ELEMENTWISE}
    for node in model.graph.node:
        made = sums.get(node.input[0]) if node.op_type == "Relu" else None
        if made is not None and any(name in sums for name in made.input):
            node.CopyFrom(
                onnx.helper.make_node("LeakyRelu", node.input[:1], node.output, name=node.name, alpha=1e-6)
            )


def _too_large(node: onnx.NodeProto, weights: Mapping[str, np.ndarray]) -> bool:
    """Tell which linear layers the converter stores away before it could quantise them."""
    return node.op_type != "Conv" and weights[node.input[1]].size >= STORED_AWAY


def _ends(model: onnx.ModelProto, node: onnx.NodeProto, shown: set[str]) -> list[str]:
    """Name the output of a layer, and that of an activation which is computed with it."""
    readers = [other for other in model.graph.node if node.output[0] in other.input]
    fused = len(readers) == 1 and readers[0].op_type in FUSED and node.output[0] not in shown
    return [node.output[0], *(readers[0].output[:1] if fused else [])]
