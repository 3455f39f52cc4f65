"""Sizes of tensors: what a network takes, what was recorded, fixed batches for runtimes that need them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from faceport.api import Network, Session
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
    found = dict.fromkeys(item_shape(inputs) for inputs in calls)
    return sorted(found) or [item_shape(network.example_inputs())]


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


def not_compiled(item: Item, compiled: Iterable[Item]) -> str:
    """Say that there is nothing for inputs of one size, and for which there is."""
    sizes = ", ".join(_sizes(one) for one in sorted(compiled))
    return (
        f"it was compiled for inputs of {sizes}, not of {_sizes(item)}: bring all pictures to one size "
        "(model.size), or compile with pictures of every size"
    )


def _sizes(item: Item) -> str:
    return " and ".join(describe(shape) for _, shape in item)


def describe(shape: Sequence[int | str]) -> str:
    """Write a shape as 1x3xheightxwidth."""
    return "x".join(map(str, shape))


def _fits(spec: TensorSpec, shape: tuple[int, ...]) -> bool:
    return len(shape) == len(spec.shape) and all(
        isinstance(wanted, str) or wanted == size for wanted, size in zip(spec.shape, shape, strict=True)
    )


def fixed_batches(inputs: Tensors, size: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """Cut a batch into pieces of one size, the last filled up with its last row; tell how many rows count."""
    total = len(next(iter(inputs.values())))
    for start in range(0, total, size):
        rows = min(size, total - start)
        index = np.minimum(np.arange(start, start + size), total - 1)
        yield (
            {
                name: value[index] if rows < size else value[start : start + size]
                for name, value in inputs.items()
            },
            rows,
        )


class FixedBatch(Session):
    """Give a session that takes one batch size only the freedom to be called with any."""

    def __init__(self, session: Session, size: int) -> None:
        self._session, self._size = session, size
        self.streams, self.window = session.streams, session.window

    @property
    def facts(self) -> Mapping[str, str]:
        """Report what runs, and the size of its batches."""
        return {**self._session.facts, "batch": str(self._size)}

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch of any size."""
        return self.run_many([inputs])[0]

    def run_many(self, batches: Sequence[Tensors]) -> list[Tensors]:
        """Run all batches in pieces of the one size."""
        pieces = [list(fixed_batches(batch, self._size)) for batch in batches]
        found = iter(self._session.run_many([inputs for parts in pieces for inputs, _ in parts]))
        return [join([cut(next(found), rows) for _, rows in parts]) for parts in pieces]

    def close(self) -> None:
        """Close the session inside."""
        self._session.close()


def cut(outputs: Tensors, rows: int) -> Tensors:
    """Keep the first rows of every tensor."""
    return {name: value[:rows] for name, value in outputs.items()}


def join(parts: Sequence[Tensors]) -> Tensors:
    """Stack batches along their first axis."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
