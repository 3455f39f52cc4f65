"""Options of MNN, and the name of its file in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import QuantisedOptions
from faceport.bounds import Streams, Threads

MODEL = "model.mnn"


@dataclass(frozen=True)
class MnnOptions(QuantisedOptions):
    """Options of the target."""

    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    backend: Literal["cpu", "opencl", "vulkan", "cuda", "metal"] = "cpu"
    threads: Threads = 1  # inside one run; 0: all cores
    streams: Streams | None = None  # runs at the same time
    winograd: int | None = None
    range: Literal["minmax", "percentile", "entropy", "mse"] = "mse"
    prepare: bool = True  # equalise channels and correct biases before anything is rounded

    def __post_init__(self) -> None:
        if self.winograd is not None and self.winograd not in range(4):
            raise ValueError(f"option 'winograd' is {self.winograd}, it must be 0, 1, 2 or 3")

    @property
    def tiles(self) -> int:
        """The size of Winograd tiles: fp32 wants the exact ones."""
        return self.winograd if self.winograd is not None else 1 if self.precision == "fp32" else 3
