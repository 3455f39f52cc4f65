"""The way from a picture's bytes to a network's input, written into the network itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from faceport.errors import FaceportError
from faceport.types import Array

ROUNDING = 1e-2  # of a pixel's value, what may be lost in the way back to bytes


@dataclass(frozen=True)
class Normalisation:
    """What an input makes of pixels: (pixel - mean) / deviation, in the network's order of channels."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    colour: str  # RGB or BGR

    @staticmethod
    def of(preprocessing: Mapping[str, Any], channels: int = 3) -> Normalisation:
        """Read it from what a network says of its preprocessing."""
        if not {"mean", "std", "colour"} <= preprocessing.keys():
            raise FaceportError(
                "a network that says no mean, std and colour of its input takes no pixels: give it floats"
            )

        def each(value: float | Sequence[float]) -> tuple[float, ...]:
            values = np.broadcast_to(np.asarray(value, np.float64), channels)
            return tuple(float(one) for one in values)

        return Normalisation(
            each(preprocessing["mean"]), each(preprocessing["std"]), str(preprocessing["colour"])
        )

    def pixels(self, planes: Array) -> Array:
        """Go back from an input (NCHW) to the bytes that it was made of: NHWC, in the network's colours."""
        pixels = bytes_behind(planes, self.mean, self.deviation)
        if pixels is None:
            raise FaceportError(
                "a network that takes pixels as bytes was given values between or beyond them (a mean over "
                "pixels, for instance): compile it for floats"
            )
        return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))


def to_pixels(planes: Array, mean: Sequence[float], deviation: Sequence[float], cure: str) -> Array:
    """Undo a normalisation of NCHW, for tools that normalise by themselves; refuse what no bytes give."""
    pixels = bytes_behind(planes, mean, deviation)
    if pixels is None:
        raise FaceportError(
            "pixels are taken as bytes here, and the model asks for values between them (a mean over "
            f"pixels, for instance): {cure}"
        )
    return pixels


def bytes_behind(planes: Array, mean: Sequence[float], deviation: Sequence[float]) -> Array | None:
    """Undo a normalisation of NCHW; None where it was not made of bytes."""
    scale, middle = (np.reshape(one, (1, -1, 1, 1)).astype(np.float32) for one in (deviation, mean))
    values = planes * scale + middle
    whole = np.rint(values)
    lost = np.abs(values - whole).max(initial=0)
    if not lost <= ROUNDING or whole.min(initial=0) < 0 or whole.max(initial=0) > 255:  # NaN is lost, too
        return None
    return np.asarray(whole.astype(np.uint8))


def fold_normalisation(model: onnx.ModelProto, name: str, normalisation: Normalisation) -> None:
    """Let an input of floats (NCHW) take RGB pixels as they lie in memory: uint8, NHWC."""
    graph = model.graph
    value = next(one for one in graph.input if one.name == name)
    sizes = list(value.type.tensor_type.shape.dim)
    value.type.tensor_type.elem_type = TensorProto.UINT8
    shape = [onnx.TensorShapeProto.Dimension.FromString(sizes[at].SerializeToString()) for at in (0, 2, 3, 1)]
    del value.type.tensor_type.shape.dim[:]
    value.type.tensor_type.shape.dim.extend(shape)
    mean, deviation = (
        np.asarray(values, np.float32) for values in (normalisation.mean, normalisation.deviation)
    )
    order = [2, 1, 0] if normalisation.colour == "BGR" else [0, 1, 2]
    constants = {
        "mean": mean.reshape(1, -1, 1, 1),
        "deviation": deviation.reshape(1, -1, 1, 1),
        "order": np.array(order, np.int64),
    }
    named = {
        part: f"{name}:{part}" for part in (*constants, "planes", "floats", "ordered", "centred", "made")
    }
    graph.initializer.extend(numpy_helper.from_array(one, named[part]) for part, one in constants.items())
    steps = [
        helper.make_node("Transpose", [name], [named["planes"]], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", [named["planes"]], [named["floats"]], to=TensorProto.FLOAT),
        helper.make_node("Gather", [named["floats"], named["order"]], [named["ordered"]], axis=1),
        helper.make_node("Sub", [named["ordered"], named["mean"]], [named["centred"]]),
        helper.make_node("Div", [named["centred"], named["deviation"]], [named["made"]]),
    ]
    for node in graph.node:
        for slot, tensor in enumerate(node.input):
            if tensor == name:
                node.input[slot] = named["made"]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in (*steps, *graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
