"""Biases that take back what rounding a layer does to the mean of its outputs, found on recorded calls.

Nagel et al., https://arxiv.org/abs/1906.04721, section 4.2. Every layer is looked at by itself, on what the
sound network hands it: one run gives the error of all of them. Corrections from the outputs of the rounded
network, layer after layer, take as many runs as there are layers, and gave no better numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx
from onnx import helper
from onnx.numpy_helper import from_array

from faceport.graph.layers import channel_axis, constants, round_weights, set_constants
from faceport.graph.levels import Grid, Levels
from faceport.graph.ranges import Range
from faceport.graph.taps import tap
from faceport.types import Array, Tensors

Opened = Callable[[onnx.ModelProto], Callable[[Tensors], Tensors]]  # makes a network runnable, in floats

ROUNDED, AGAIN, SHIFT = ":rounded", ":again", ":shift"
BIASED = {"Conv": 1, "ConvTranspose": 1, "Gemm": -1}  # layers with a bias; where their outputs have channels


def correct_biases(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    exclude: Iterable[str],
    opened: Opened,
    calls: Iterable[Tensors],
    levels: Levels,
    in_pairs: bool = False,
) -> int:
    """Add to each layer's bias the mean error that its rounding makes; count the layers."""
    floats, weights = set(exclude), constants(model)
    layers = [
        node
        for node in model.graph.node
        if node.op_type in BIASED
        and node.name not in floats
        and node.input[0] in ranges
        and channel_axis(node, weights) is not None
    ]
    if not layers:
        return 0
    run = opened(beside(model, layers, ranges, levels, in_pairs))
    sums: dict[str, Array] = {}
    counts: dict[str, int] = {}
    for inputs in calls:
        outputs = run(inputs)
        for node in layers:
            shift = outputs[node.output[0] + SHIFT]
            if shift.ndim < weights[node.input[1]].ndim:
                continue  # MNN folds some differences of two layers into one number
            errors = np.moveaxis(shift, BIASED[node.op_type], 0)
            errors = errors.reshape(len(errors), -1)
            sums[node.name] = sums.get(node.name, 0) + errors.sum(1, dtype=np.float64)
            counts[node.name] = counts.get(node.name, 0) + errors.shape[1]
    layers = [node for node in layers if node.name in sums]
    _add(model, layers, {name: total / max(1, counts[name]) for name, total in sums.items()}, weights)
    return len(layers)


def beside(
    model: onnx.ModelProto,
    layers: Iterable[onnx.NodeProto],
    ranges: Mapping[str, Range],
    levels: Levels,
    in_pairs: bool,
) -> onnx.ModelProto:
    """Copy a network with each layer a second time, rounded, and the difference of the two as an output."""
    weights, nodes, made, shifts = constants(model), [], {}, []
    for node in layers:
        axis = channel_axis(node, weights)
        assert axis is not None  # it is a layer
        given, weight, output = node.input[0], node.input[1], node.output[0]
        if given + ROUNDED not in made:
            tensors, steps = round_in_floats(given, levels.grid(ranges[given]))
            made.update(tensors)
            nodes += steps
            made[given + ROUNDED] = np.zeros(0)  # a mark
        integers, scales = round_weights(weights[weight], axis, in_pairs)
        shape = [-1 if one == axis else 1 for one in range(integers.ndim)]
        made[weight + ROUNDED] = integers.astype(np.float32) * scales.reshape(shape)
        copy = onnx.NodeProto.FromString(node.SerializeToString())
        copy.name, copy.output[0] = node.name + AGAIN, output + AGAIN
        copy.input[0], copy.input[1] = given + ROUNDED, weight + ROUNDED
        nodes += [copy, helper.make_node("Sub", [output, output + AGAIN], [output + SHIFT])]
        shifts.append(output + SHIFT)
    doubled = tap(model, shifts)
    doubled.graph.node.extend(nodes)
    doubled.graph.initializer.extend(from_array(v, name) for name, v in made.items() if v.size)
    return doubled


def round_in_floats(name: str, grid: Grid) -> tuple[dict[str, Array], list[onnx.NodeProto]]:
    """Write the rounding of a tensor in operators that every runtime has in floats."""
    low, high = grid.bounds
    values = {"finer": 1 / grid.scale, "coarser": grid.scale, "low": low, "high": high}
    tensors = {f"{name}:{part}": np.array(value, np.float32) for part, value in values.items()}
    finer, coarser, lowest, highest = tensors
    counted, whole, inside = (f"{name}:{part}" for part in ("counted", "whole", "inside"))
    return tensors, [
        helper.make_node("Mul", [name, finer], [counted]),
        helper.make_node("Round", [counted], [whole]),
        helper.make_node("Clip", [whole, lowest, highest], [inside]),
        helper.make_node("Mul", [inside, coarser], [name + ROUNDED]),
    ]


def _add(
    model: onnx.ModelProto,
    layers: Iterable[onnx.NodeProto],
    errors: Mapping[str, Array],
    weights: Mapping[str, Array],
) -> None:
    biases: dict[str, Array] = {}
    for node in layers:
        have = node.input[2] if len(node.input) > 2 else ""
        if have and have not in weights:
            continue  # computed, by the network itself
        name = f"{node.output[0]}:bias"  # its own, where others may share the old one
        biases[name] = (weights[have] if have else 0) + errors[node.name]
        del node.input[2:]
        node.input.append(name)
    set_constants(model, {name: value.astype(np.float32) for name, value in biases.items()})
