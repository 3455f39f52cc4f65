"""ONNX Runtime: ONNX is the artifact. https://onnxruntime.ai/docs/performance/tune-performance"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import onnx

from faceport.api import Artifact, Session, Source, Target
from faceport.errors import suggest
from faceport.graph.half import to_half
from faceport.graph.names import excluded, load
from faceport.graph.prelu import split_prelu
from faceport.graph.qdq import QDQ_OPSET
from faceport.targets.machine import installed_version, not_importable
from faceport.targets.sentences import cannot_compile, need_calls
from faceport.types import Tensors

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
class OnnxRuntimeOptions:
    """Options of the target."""

    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    providers: list[str] = field(default_factory=lambda: ["cpu"])  # the first that takes a node runs it
    provider_options: dict[str, Any] = field(default_factory=dict)  # provider -> its own options
    threads: int = 1  # inside one run; 0: all cores
    streams: int | None = None  # runs at the same time
    spinning: bool = False
    graph: Literal["none", "basic", "extended", "all"] = "all"
    allow_fallback: bool = False
    tolerance: float | None = None  # largest error, relative to the spread of an output
    exclude: list[str] = field(default_factory=list)  # fp16, int8: ONNX nodes that stay in fp32
    accuracy_budget: float | None = None
    range: Literal["minmax", "percentile", "entropy", "mse"] = "minmax"
    reduce_range: bool = False

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


class OnnxRuntime(Target):
    """Run networks with ONNX Runtime."""

    Options = OnnxRuntimeOptions
    options: OnnxRuntimeOptions

    def missing(self) -> str:
        """Say what to install."""
        package = PROVIDERS[self.options.providers[0]].package
        why = not_importable(f"pip install '{package}'", "onnxruntime")
        if not why and not hasattr(import_module("onnxruntime"), "InferenceSession"):
            return (
                "the module 'onnxruntime' is there but empty: two of its packages overwrote each other. "
                f"Uninstall every onnxruntime package, then pip install '{package}'"
            )
        return why

    @property
    def calibrates(self) -> bool:
        """Calls are needed to find the ranges of int8."""
        return self.options.precision == "int8"

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        options = self.options
        shaping: dict[str, Any] = {
            "precision": options.precision,
            "providers": options.providers,
            "allow_fallback": options.allow_fallback,
            "onnxruntime": _version(),
        }
        if options.precision != "fp32":
            shaping["exclude"] = sorted(options.exclude)
        if self.calibrates:
            shaping |= {"range": options.range, "reduce_range": options.reduce_range}
        return shaping

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Write the exported network in the precision that was asked for; the session optimises it."""
        model = load(source.onnx(), QDQ_OPSET if self.calibrates else 0)
        exclude = excluded(model, source.network.name, self.options.exclude)
        floats = split_prelu(model) if self.options.cpu_only else []  # other providers have a fast one
        if self.options.precision == "fp16":
            to_half(model, exclude)
        elif self.calibrates:
            from faceport_onnxruntime.quantise import measure_ranges, quantise

            calls = need_calls(calibration, source.network)
            try:
                ranges = measure_ranges(model, calls, self.options.range)
                model = quantise(model, ranges, [*exclude, *floats], self.options.reduce_range)
            except Exception as error:  # onnxruntime's own classes differ between versions
                raise cannot_compile("ONNX Runtime", _version(), source.network, error) from error
        onnx.save(model, out / MODEL)

    def open(self, artifact: Artifact) -> Session:
        """Create an inference session."""
        from faceport_onnxruntime.session import OnnxRuntimeSession

        return OnnxRuntimeSession(artifact, self.options)


def _version() -> str:
    """Read the version of whichever package of ONNX Runtime is installed."""
    names = ("", "-gpu", "-openvino", "-directml", "-cann", "-silicon")
    return installed_version(*(f"onnxruntime{name}" for name in names))
