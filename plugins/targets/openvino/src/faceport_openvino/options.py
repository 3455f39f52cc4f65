"""Options of OpenVINO, and the name of its file in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import QuantisedOptions

MODEL = "model.xml"  # the weights lie beside it in model.bin


@dataclass(frozen=True)
class OpenVinoOptions(QuantisedOptions):
    """Options of the target."""

    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    device: str = "CPU"
    hint: Literal["throughput", "latency"] = "throughput"
    threads: int | None = None  # CPU: inside one run; 0: all cores
    streams: int | None = None  # runs at the same time
    batch: int | None = None  # rows of every run
    preset: Literal["mixed", "performance"] = "mixed"
    range: Literal["mean_minmax", "minmax", "quantile", "histogram"] = "mean_minmax"
