"""Options of ONNX Runtime, its providers, and the name of its file in an artifact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from faceport.api import QuantisedOptions
from faceport.bounds import Streams, Threads
from faceport.errors import suggest
from faceport.targets.saturation import ReduceRange

MODEL = "model.onnx"


@dataclass(frozen=True)
class Provider:
    """What runs the nodes of a graph: its name in ONNX Runtime, and the package that has it."""

    name: str
    package: str


PROVIDERS = {
    "cpu": Provider("CPUExecutionProvider", "faceport-onnxruntime[cpu]"),
    "cuda": Provider("CUDAExecutionProvider", "faceport-onnxruntime[gpu]"),
    "tensorrt": Provider("TensorrtExecutionProvider", "faceport-onnxruntime[gpu]"),
    "openvino": Provider("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml"),
    "coreml": Provider("CoreMLExecutionProvider", "faceport-onnxruntime[cpu]"),
    "cann": Provider("CANNExecutionProvider", "onnxruntime-cann"),
}


@dataclass(frozen=True)
class OnnxRuntimeOptions(QuantisedOptions):
    """Options of the target."""

    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    providers: list[str] = field(default_factory=lambda: ["cpu"])  # the first that takes a node runs it
    provider_options: dict[str, Any] = field(default_factory=dict)  # provider -> its own options
    threads: Threads = 1  # inside one run; 0: all cores
    streams: Streams | None = None  # runs at the same time
    spinning: bool = False
    graph: Literal["none", "basic", "extended", "all"] = "all"
    range: Literal["minmax", "percentile", "entropy", "mse"] = "mse"
    prepare: bool = True  # equalise channels and correct biases before anything is rounded
    narrow: int = 32  # channels
    reduce_range: ReduceRange = "auto"
    fuse: bool = False  # mean and deviation in the graph, which takes pixels

    def __post_init__(self) -> None:
        for name in (*self.providers, *self.provider_options):
            if name not in PROVIDERS:
                raise ValueError(f"option 'providers' names '{name}'. {suggest(name, PROVIDERS)[:-1]}")
        if not self.providers:
            raise ValueError("option 'providers' is empty, it must name at least one, e.g. [cpu]")

    @property
    def cpu_only(self) -> bool:
        """Tell whether the CPU provider runs everything."""
        return self.providers == ["cpu"]

    @property
    def on_processor(self) -> bool:
        """Tell whether ONNX Runtime's own 8-bit kernels are to run the layers."""
        return self.precision == "int8" and self.providers[0] == "cpu"
