"""Sizes of a network's inputs: fixed for compilers that need them, and the smallest that still work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnx import shape_inference

Sizes = Mapping[str, tuple[int, ...]]


def fix_sizes(model: onnx.ModelProto, sizes: Mapping[str, Sequence[int | str]]) -> onnx.ModelProto:
    """Copy a network with fixed shapes of inputs, batch included; what is a name in them stays free."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        if value.name in sizes:
            dimensions = value.type.tensor_type.shape.dim
            for dimension, size in zip(dimensions, sizes[value.name], strict=True):
                if isinstance(size, int):
                    dimension.Clear()
                    dimension.dim_value = size
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    del fixed.graph.value_info[:]
    return shape_inference.infer_shapes(fixed, data_prop=True)


def has_content(model: onnx.ModelProto) -> bool:
    """Tell whether every tensor whose size is known has at least one element."""
    values = (*model.graph.value_info, *model.graph.output)
    sizes = (
        size.dim_value for value in values for size in value.type.tensor_type.shape.dim if _is_fixed(size)
    )
    return all(size > 0 for size in sizes)


def _is_fixed(size: onnx.TensorShapeProto.Dimension) -> bool:
    return bool(size.HasField("dim_value"))


def smallest_sizes(model: onnx.ModelProto, sizes: Sizes, free: Mapping[str, tuple[int, ...]]) -> Sizes:
    """Find how small free axes may become, one by one, starting from sizes that work."""
    smallest = {name: list(shape) for name, shape in sizes.items()}
    for name, axes in free.items():
        for axis in axes:
            low, high = 0, sizes[name][axis]  # too small, large enough
            while high - low > 1:
                middle = (low + high) // 2
                trial = {**sizes, name: (*sizes[name][:axis], middle, *sizes[name][axis + 1 :])}
                if _works(model, trial):
                    high = middle
                else:
                    low = middle
            smallest[name][axis] = high
    return {name: tuple(shape) for name, shape in smallest.items()}


def _works(model: onnx.ModelProto, sizes: Sizes) -> bool:
    try:
        return has_content(fix_sizes(model, sizes))
    except onnx.shape_inference.InferenceError:
        return False
