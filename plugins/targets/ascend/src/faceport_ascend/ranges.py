"""Shapes that a compiled network takes: written as atc reads them, and what it answers for each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import onnx

from faceport.api import Network
from faceport.errors import ConfigError, FaceportError
from faceport.graph.sizes import fix_sizes
from faceport.types import Tensors, TensorSpec

ROWS, SIDE = (1, 64), (1, 1500)  # what nobody gave
LARGEST_CONSTANT = 64  # elements; what is larger shapes nothing
Range = tuple[int, int]


def ranges_of(network: Network, given: Mapping[str, str]) -> dict[str, list[Range]]:
    """Settle the range of each axis of each input."""
    text = given.get(network.name)
    if text and len(network.inputs) > 1:
        raise ConfigError(f"target.ranges.{network.name}: network '{network.name}' has several inputs")
    return {
        spec.name: _parse(network.name, text, spec) if text else _default(network, spec)
        for spec in network.inputs
    }


def _default(network: Network, spec: TensorSpec) -> list[Range]:
    rows = (network.batch, network.batch) if network.batch else ROWS
    return [rows, *(SIDE if isinstance(size, str) else (size, size) for size in spec.shape[1:])]


def _parse(network: str, text: str, spec: TensorSpec) -> list[Range]:
    parts = [re.fullmatch(r"(\d+)(?:~(\d+))?", part.strip()) for part in text.strip("[]").split(",")]
    found = [(int(part[1]), int(part[2] or part[1])) for part in parts if part]
    good = len(found) == len(parts) == len(spec.shape) and all(0 < low <= high for low, high in found)
    fits = good and all(
        isinstance(size, str) or bounds == (size, size)
        for size, bounds in zip(spec.shape[1:], found[1:], strict=True)
    )
    if not fits:
        shape = ",".join(map(str, spec.shape))
        raise ConfigError(
            f"target.ranges.{network} is '{text}', it must be one number or LOW~HIGH for each of {shape}"
        )
    return found


def is_static(ranges: Mapping[str, Sequence[Range]]) -> bool:
    """Tell whether every axis has one size."""
    return all(low == high for axes in ranges.values() for low, high in axes)


def shape_option(ranges: Mapping[str, Sequence[Range]]) -> str:
    """Write the option of atc."""
    static = is_static(ranges)
    texts = []
    for name, axes in ranges.items():
        sizes = ",".join(str(low) if low == high else f"{low}~{high}" for low, high in axes)
        texts.append(f"{name}:{sizes}" if static else f"{name}:[{sizes}]")
    return f"--input_shape{'' if static else '_range'}={';'.join(texts)}"


def refuse_outside(network: str, ranges: Mapping[str, Sequence[Range]], inputs: Tensors) -> None:
    """Refuse sizes that the network was not compiled for; rows are cut, not refused."""
    for name, axes in ranges.items():
        shape = inputs[name].shape
        for axis, (size, (low, high)) in enumerate(zip(shape, axes, strict=True)):
            if axis and not low <= size <= high:
                raise FaceportError(
                    f"ascend cannot run network '{network}': axis {axis} of '{name}' is {size}, it "
                    f"was compiled "
                    f"for {low} to {high}. Make pictures smaller, or compile with a wider "
                    f"target.ranges.{network}"
                )


def skeleton(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a graph without its weights, of which the shapes of outputs need nothing but the shapes."""
    bare = onnx.ModelProto.FromString(model.SerializeToString())
    kept = []
    for tensor in model.graph.initializer:
        size = 1
        for side in tensor.dims:
            size *= side
        if size <= LARGEST_CONSTANT:
            kept.append(tensor)
        else:
            value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            bare.graph.input.append(value)
    del bare.graph.initializer[:]
    bare.graph.initializer.extend(kept)
    return bare


class OutputShapes:
    """Tell the shapes of outputs for those of inputs: a dynamic .om does not."""

    def __init__(self, path: Path) -> None:
        try:
            self._model = onnx.load(path)
        except Exception as error:  # protobuf has its own classes
            raise FaceportError(f"{path} is damaged. Delete its folder and compile again") from error
        self._of = lru_cache(maxsize=4096)(self._infer)

    def of(self, inputs: Mapping[str, tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
        """Give the shape of each output."""
        return self._of(tuple(sorted(inputs.items())))

    def _infer(self, inputs: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[tuple[int, ...], ...]:
        fixed = fix_sizes(self._model, dict(inputs))
        shapes = []
        for value in fixed.graph.output:
            sizes = value.type.tensor_type.shape.dim
            if not sizes or not all(size.HasField("dim_value") and size.dim_value > 0 for size in sizes):
                raise FaceportError(
                    f"the size of output '{value.name}' cannot be told beforehand for inputs {dict(inputs)}: "
                    "use target.fixed_sizes=true and target.batch"
                )
            shapes.append(tuple(size.dim_value for size in sizes))
        return tuple(shapes)
