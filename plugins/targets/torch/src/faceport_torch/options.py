"""Options of PyTorch, and the names of its files in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import TargetOptions
from faceport.bounds import Streams, Threads

WEIGHTS = "weights.safetensors"
SCRIPT = "module.pt"


@dataclass(frozen=True)
class TorchOptions(TargetOptions):
    """Options of the target."""

    mode: Literal["eager", "torchscript", "compile"] = "eager"
    device: str = "cpu"
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    channels_last: bool = False
    threads: Threads = 1  # inside one run; 0: PyTorch's default
    streams: Streams | None = None  # runs at the same time

    def __post_init__(self) -> None:
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise ValueError(f"option 'device' is '{self.device}', it must be cpu, cuda or cuda:NUMBER")
        if self.device == "cpu" and self.precision != "fp32" and not self.allow_fallback:
            raise ValueError(
                f"option 'precision' is {self.precision}, which needs device=cuda: on a CPU PyTorch is "
                "slower with it than with fp32"
            )
