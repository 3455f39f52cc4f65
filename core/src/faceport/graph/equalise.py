"""Channels of one activation brought near each other, so that one scale suits them all.

Between two convolutions, with nothing but a rectifier in between, a channel may be divided by any positive
number where it is made and multiplied by it where it is read. Nagel et al., "Data-free quantization through
weight equalization and bias correction" (https://arxiv.org/abs/1906.04721); how the work is shared between
activations and weights: Xiao et al., "SmoothQuant" (https://arxiv.org/abs/2211.10438).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from faceport.graph.layers import attribute, constants, readers, set_constants, uses, weight_scales
from faceport.types import Array

HOMOGENEOUS = ("Relu", "LeakyRelu", "PRelu")  # f(s * x) = s * f(x) for each channel and every s > 0
SHARE = 0.7  # of the difference between channels that weights take over from activations
ROUNDS = 2  # a layer's weights change with both of its neighbours
LEAST = 1e-6  # of the largest channel: below it a channel counts as dead
MOST = 1e3  # that a channel is scaled by


@dataclass(frozen=True, eq=False)
class Bridge:
    """An activation whose channels can be scaled: it leads from one convolution to others only."""

    maker: onnx.NodeProto
    tensor: str
    readers: tuple[onnx.NodeProto, ...]


def bridges(model: onnx.ModelProto) -> list[Bridge]:
    """Find the activations whose channels can be scaled."""
    weights, reading, used = constants(model), readers(model), uses(model)
    shown = {output.name for output in model.graph.output}

    def scalable(node: onnx.NodeProto) -> bool:
        own = node.op_type == "Conv" and node.input[1] in weights and used[node.input[1]] == 1
        return own and all(used[name] == 1 for name in node.input[2:3] if name)

    pairs = []
    for node in filter(scalable, model.graph.node):
        tensor = node.output[0]
        while tensor not in shown and len(reading[tensor]) == 1 and _homogeneous(reading[tensor][0], weights):
            tensor = reading[tensor][0].output[0]
        behind = reading[tensor]
        channels = len(weights[node.input[1]])
        fits = all(
            scalable(one) and one.input[0] == tensor and attribute(one, "group", 1) in (1, channels)
            for one in behind
        )
        if behind and fits and tensor not in shown:
            pairs.append(Bridge(node, tensor, tuple(behind)))
    return pairs


def _homogeneous(node: onnx.NodeProto, weights: Mapping[str, Array]) -> bool:
    if node.op_type != "PRelu":
        return node.op_type in HOMOGENEOUS
    return node.input[1] in weights


def equalise(model: onnx.ModelProto, largest: Mapping[str, Array]) -> list[str]:
    """Scale channels by their largest values, known for some tensors; name the tensors that were changed.

    The network computes what it computed. Where the reader looks at each channel by itself, its weights have
    a scale for each, and take all of the difference over at no cost.
    """
    found = [bridge for bridge in bridges(model) if bridge.tensor in largest]
    weights = {name: value.astype(np.float64) for name, value in constants(model).items()}
    peaks = {bridge.tensor: np.asarray(largest[bridge.tensor], np.float64) for bridge in found}
    changed: set[str] = set()
    for _ in range(ROUNDS):
        for bridge in found:
            factors = _factors(bridge, weights, peaks[bridge.tensor])
            peaks[bridge.tensor] = peaks[bridge.tensor] / factors
            own, *bias = [name for name in bridge.maker.input[1:3] if name]
            weights[own] = weights[own] / _along(0, factors, weights[own].ndim)
            for name in bias:
                weights[name] = weights[name] / factors
            for reader in bridge.readers:
                name, axis = reader.input[1], int(attribute(reader, "group", 1) == 1)
                weights[name] = weights[name] * _along(axis, factors, weights[name].ndim)
                changed.add(name)
            changed.update((own, *bias))
    set_constants(model, {name: weights[name].astype(np.float32) for name in sorted(changed)})
    return [bridge.tensor for bridge in found]


def _along(axis: int, values: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    return values.reshape([-1 if one == axis else 1 for one in range(dimensions)])


def _factors(bridge: Bridge, weights: Mapping[str, Array], peaks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Choose what each channel is divided by, around one; a channel that was never heard stays as it is."""
    living = peaks > LEAST * peaks.max(initial=0)
    if not living.any():
        return np.ones_like(peaks)
    heard = [
        _loudness(weights[reader.input[1]]) for reader in bridge.readers if attribute(reader, "group", 1) == 1
    ]
    factors = np.where(living, peaks, 1.0)
    if heard:
        loud = np.maximum(np.max(heard, 0), LEAST)
        factors = factors**SHARE / loud ** (1 - SHARE)
    factors = factors / np.exp(np.log(factors[living]).mean())
    return np.where(living, np.clip(factors, 1 / MOST, MOST), 1.0)


def _loudness(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure how much a layer's output channels, each in its own scale, depend on each input channel."""
    scaled = np.abs(weight) / _along(0, weight_scales(weight, 0, 1), weight.ndim)
    return np.asarray(scaled.max(axis=(0, *range(2, weight.ndim))))
