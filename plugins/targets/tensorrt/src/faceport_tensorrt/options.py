"""Options of TensorRT, and the name of its file in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import QuantisedOptions
from faceport.bounds import Streams

ENGINE = "network.engine"


@dataclass(frozen=True)
class TensorRtOptions(QuantisedOptions):
    """Options of the target."""

    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    device: int = 0
    max_batch: int = 16
    sizes: list[int] | None = None  # smallest, usual, largest side of free axes
    streams: Streams = 1  # runs at the same time
    level: int = 3
    workspace: int | None = None  # megabytes
    timing_cache: bool = True
    range: Literal["minmax", "percentile", "entropy", "mse"] = "entropy"

    def __post_init__(self) -> None:
        if self.sizes is not None and (len(self.sizes) != 3 or sorted(self.sizes) != list(self.sizes)):
            raise ValueError(
                f"option 'sizes' is {list(self.sizes)}, it must be three growing sides, e.g. [64, 640, 1280]"
            )
        for name, least in (("max_batch", 1), ("streams", 1), ("level", 0), ("device", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"option '{name}' is {getattr(self, name)}, it must be at least {least}")
