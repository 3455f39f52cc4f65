"""How much a network has to compute, counted layer by layer; and as others counted it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from faceport.api import Network
from faceport.errors import ConfigError, FaceportError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Counting:
    """What a published table counted beside multiply-adds, for each element of an output."""

    bias: float = 0.0  # of convolutions
    batch_norm: float = 0.0
    leaky_relu: float = 0.0
    times: float = 1.0  # by which all of it was multiplied

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Counting:
        """Read it from an experiment."""
        try:
            return cls(**{str(key): float(value) for key, value in values.items()})
        except (TypeError, ValueError) as error:
            known = ", ".join(cls.__dataclass_fields__)
            raise ConfigError(f"published.counting may hold {known}, as numbers: {error}") from error


@dataclass(frozen=True)
class Work:
    """What one run of a network takes."""

    params: int
    macs: int  # multiply-adds of convolutions and matrix products
    counted: float | None  # as the published table counted
    elements: int  # that must be moved at least: weights, inputs, outputs


def count_work(
    network: Network, inputs: Mapping[str, tuple[int, ...]], counting: Counting | None = None
) -> Work:
    """Count by running the network on tensors that have shapes and no values."""
    if network.build is None:
        raise FaceportError(f"network '{network.name}' exists as ONNX only: its work is not counted")
    module = network.build().eval().to("meta")
    tally = _Tally(counting or Counting())
    for layer in module.modules():
        if isinstance(layer, (*CONVOLUTIONS, nn.Linear, *NORMS, nn.LeakyReLU)):
            layer.register_forward_hook(tally.layer)
    given = [
        torch.empty(inputs[spec.name], dtype=getattr(torch, spec.dtype), device="meta")
        for spec in network.inputs
    ]
    with torch.inference_mode():
        found = module(*given)
    outputs = found if isinstance(found, tuple | list) else (found,)
    params = sum(one.numel() for one in module.parameters())
    return Work(
        params,
        tally.macs,
        tally.counting.times * (tally.macs + tally.beside) if counting else None,
        params + sum(one.numel() for one in (*given, *outputs)),
    )


class _Tally:
    """Add up layers as they are run."""

    def __init__(self, counting: Counting) -> None:
        self.counting = counting
        self.macs = 0
        self.beside = 0.0

    def layer(self, layer: nn.Module, given: tuple[Any, ...], output: Tensor) -> None:
        """Count one run of one layer."""
        if isinstance(layer, CONVOLUTIONS):
            wide = given[0].numel() if layer.transposed else output.numel()
            channels = layer.out_channels if layer.transposed else layer.in_channels
            self.macs += wide * (channels // layer.groups) * prod(layer.kernel_size)
            self.beside += self.counting.bias * output.numel() * (layer.bias is not None)
        elif isinstance(layer, nn.Linear):
            self.macs += output.numel() * layer.in_features
        elif isinstance(layer, NORMS):
            self.beside += self.counting.batch_norm * output.numel()
        else:
            self.beside += self.counting.leaky_relu * output.numel()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def torch_product(side: int) -> Callable[[], None]:
    """Give a product of matrices by torch, to be timed."""
    one, other = torch.rand(side, side), torch.rand(side, side)
    out = torch.empty(side, side)

    def multiply() -> None:
        torch.mm(one, other, out=out)

    return multiply


def torch_triad(length: int) -> Callable[[], None]:
    """Give a = b + 3 c over long vectors by torch, to be timed: two read, one written."""
    b, c, a = torch.rand(length), torch.rand(length), torch.empty(length)

    def triad() -> None:
        torch.add(b, c, alpha=3.0, out=a)

    return triad
