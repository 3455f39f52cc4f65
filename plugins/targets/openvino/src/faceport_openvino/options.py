"""Options of OpenVINO, and the name of its file in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import QuantisedOptions
from faceport.bounds import Count, Streams, Threads
from faceport.targets.saturation import ReduceRange

MODEL = "model.xml"  # the weights lie beside it in model.bin
APART = ("GPU", "NPU")  # devices that add up 8-bit products by themselves


@dataclass(frozen=True)
class OpenVinoOptions(QuantisedOptions):
    """Options of the target."""

    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    device: str = "CPU"
    hint: Literal["throughput", "latency"] = "throughput"
    threads: Threads | None = None  # CPU: inside one run; 0: all cores
    streams: Streams | None = None  # runs at the same time
    batch: Count | None = None  # rows of every run
    preset: Literal["mixed", "performance"] = "mixed"
    range: Literal["mean_minmax", "minmax", "quantile", "histogram"] = "mean_minmax"
    reduce_range: ReduceRange = "auto"

    @property
    def on_processor(self) -> bool:
        """Tell whether the 8-bit kernels of the CPU may run the layers."""
        return self.precision == "int8" and not self.device.upper().startswith(APART)
