"""Sizes of tensors: what a network takes, what was recorded, fixed batches for runtimes that need them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from faceport.api import Network
from faceport.types import Tensors, TensorSpec

Item = tuple[tuple[str, tuple[int, ...]], ...]  # shape of one row of each input, by name


def has_free_sizes(network: Network) -> bool:
    """Tell whether an input has a free size beyond the batch."""
    return bool(free_axes(network))


def item_shape(inputs: Tensors) -> Item:
    """Describe one row of a batch."""
    return tuple(sorted((name, value.shape[1:]) for name, value in inputs.items()))


def item_shapes(network: Network, calls: Iterable[Tensors]) -> list[Item]:
    """List the sizes to compile for: the one that the network declares, or all that were recorded."""
    if not has_free_sizes(network):
        return [item_shape(network.example_inputs())]
    shapes = dict.fromkeys(item_shape(inputs) for inputs in calls)
    return sorted(shapes) or [item_shape(network.example_inputs())]


def free_axes(network: Network) -> dict[str, tuple[int, ...]]:
    """List the axes of each input, beyond the batch, whose size is free."""
    found = {
        spec.name: tuple(axis for axis, size in enumerate(spec.shape) if axis and isinstance(size, str))
        for spec in network.inputs
    }
    return {name: axes for name, axes in found.items() if axes}


def mismatch(network: Network, inputs: Tensors) -> str:
    """Say what the network takes where the inputs are something else; empty when they fit."""
    for spec in network.inputs:
        value = inputs.get(spec.name)
        if value is None:
            return f"its input '{spec.name}' is not among those given ({', '.join(inputs) or 'none'})"
        if not _fits(spec, value.shape) or value.dtype != spec.dtype:
            return (
                f"it takes '{spec.name}' as {describe(spec.shape)} {spec.dtype}, "
                f"not {describe(value.shape)} {value.dtype}"
            )
    return ""


def describe(shape: Sequence[int | str]) -> str:
    """Write a shape as 1x3xheightxwidth."""
    return "x".join(map(str, shape))


def _fits(spec: TensorSpec, shape: tuple[int, ...]) -> bool:
    return len(shape) == len(spec.shape) and all(
        isinstance(wanted, str) or wanted == size for wanted, size in zip(spec.shape, shape, strict=True)
    )
