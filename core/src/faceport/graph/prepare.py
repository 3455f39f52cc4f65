"""What a network goes through before any target rounds it to integers: it makes the rounding cost less."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from faceport.graph.bias import Opened, correct_biases
from faceport.graph.equalise import bridges, equalise
from faceport.graph.layers import attribute, readers
from faceport.graph.levels import UINT8, Levels
from faceport.graph.ranges import Range, measure
from faceport.graph.taps import float_tensors, tap
from faceport.types import Array, Tensors


@dataclass(frozen=True)
class Recipe:
    """How a network is prepared."""

    method: str  # by which ranges are chosen
    mend: bool = True  # equalise, and correct biases
    levels: Levels = UINT8  # of activations
    in_pairs: bool = False  # weights for processors that add every two products in 16 bits


def equalise_on(model: onnx.ModelProto, opened: Opened, calls: Iterable[Tensors]) -> list[str]:
    """Bring the channels of activations near each other, by their largest values in recorded calls."""
    tensors = [bridge.tensor for bridge in bridges(model)]
    if not tensors:
        return []
    run = opened(tap(model, tensors))
    largest: dict[str, Array] = {}
    for inputs in calls:
        outputs = run(inputs)
        for name in tensors:
            value = np.abs(outputs[name])
            peaks = value.max(axis=(0, *range(2, value.ndim)), initial=0)
            largest[name] = np.maximum(largest.get(name, 0), peaks)
    return equalise(model, largest)


def measure_ranges(
    model: onnx.ModelProto,
    opened: Opened,
    calls: Iterable[Tensors],
    recipe: Recipe,
) -> dict[str, Range]:
    """Find the range of every float tensor, however its size changes between calls."""
    run = opened(tap(model, float_tensors(model)))
    return measure(run, calls, recipe.method, recipe.levels.count, squashed(model))


def squashed(model: onnx.ModelProto) -> dict[str, float]:
    """List the tensors that only a leaky rectifier reads, and how much of a negative value it leaves."""
    shown = {output.name for output in model.graph.output}
    slopes = {}
    for name, nodes in readers(model).items():
        if len(nodes) == 1 and nodes[0].op_type == "LeakyRelu" and name not in shown:
            slopes[name] = float(attribute(nodes[0], "alpha", 0.01))
    return slopes


def prepare(
    model: onnx.ModelProto,
    opened: Opened,
    calls: Sequence[Tensors],
    recipe: Recipe,
    exclude: Iterable[str] = (),
) -> dict[str, Range]:
    """Equalise a network, find its ranges and correct its biases, in place; give the ranges."""
    if recipe.mend:
        equalise_on(model, opened, calls)
    ranges = measure_ranges(model, opened, calls, recipe)
    if recipe.mend:
        correct_biases(model, ranges, exclude, opened, calls, recipe.levels, recipe.in_pairs)
    return ranges
