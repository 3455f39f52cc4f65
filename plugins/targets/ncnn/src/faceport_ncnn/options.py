"""Options of ncnn, and the names of its files in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import TargetOptions
from faceport.bounds import Streams, Threads

PARAM, WEIGHTS = "model.param", "model.bin"
SMALLEST = "smallest.json"  # the sizes below which nothing is left of a tensor


@dataclass(frozen=True)
class NcnnOptions(TargetOptions):
    """Options of the target."""

    precision: Literal["fp32", "fp16"] = "fp32"
    device: Literal["cpu", "vulkan"] = "cpu"
    threads: Threads = 1  # inside one run; 0: all cores
    streams: Streams | None = None  # runs at the same time
