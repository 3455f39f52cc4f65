"""One process, or several that torchrun started: the same steps over shares of each batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from faceport.errors import ConfigError


@dataclass(frozen=True)
class World:
    """Which process this is, of how many, and where it computes."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Tell whether this process writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            distributed.barrier()

    def mean(self, numbers: dict[str, float]) -> dict[str, float]:
        """Average numbers over all processes."""
        if self.size == 1:
            return numbers
        values = torch.tensor(list(numbers.values()), dtype=torch.float64, device=self.device)
        distributed.all_reduce(values)
        return dict(zip(numbers, (values / self.size).tolist(), strict=True))

    def syncing(self, module: nn.Module, last: bool) -> AbstractContextManager[None]:
        """Let gradients travel with the last part of a batch only."""
        if self.size == 1 or last:
            return nullcontext()
        quiet: AbstractContextManager[None] = module.no_sync()  # type: ignore[operator]
        return quiet


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the other processes, where torchrun started several."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda, but torch finds no CUDA device here: device=cpu")
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if size == 1:
        yield World(device=device)
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield World(rank, size, device)
    finally:
        distributed.destroy_process_group()


def shared(module: nn.Module, world: World, norm: str) -> nn.Module:
    """Wrap a module so that all processes take the same step."""
    if world.size == 1:
        return module
    if norm == "sync":
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.__class__ = SharedBatchNorm
    # Statistics of unshared norms are those of the first process.
    return nn.parallel.DistributedDataParallel(module, broadcast_buffers=norm != "sync")


class _Sum(torch.autograd.Function):
    """Add up what all processes have, and their gradients on the way back."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Add up values."""
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Add up gradients."""
        return _summed(gradient)


def _summed(values: Tensor) -> Tensor:
    values = values.clone()
    distributed.all_reduce(values)
    return values


class SharedBatchNorm(nn.BatchNorm2d):
    """Normalise by the statistics of the whole batch, whichever process holds which rows of it.

    torch's SyncBatchNorm does so on CUDA alone.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gives it
        """Map (B, C, H, W) to the same shape."""
        if not self.training:
            return super().forward(input)
        count = input.numel() / input.shape[1] * distributed.get_world_size()
        mean: Tensor = _Sum.apply(input.sum((0, 2, 3))) / count  # type: ignore[no-untyped-call]
        centred = input - mean[:, None, None]
        variance: Tensor = _Sum.apply(centred.square().sum((0, 2, 3))) / count  # type: ignore[no-untyped-call]
        with torch.no_grad():
            assert self.running_mean is not None and self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            momentum = self.momentum if self.momentum is not None else 0.1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return torch.addcmul(self.bias[:, None, None], centred, scale[:, None, None])
