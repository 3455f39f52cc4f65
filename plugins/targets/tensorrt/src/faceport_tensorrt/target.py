"""TensorRT: a serialized engine is the artifact. https://docs.nvidia.com/deeplearning/tensorrt

Networks are strongly typed (TensorRT 11 knows no others): fp16 and int8 are written into the ONNX graph, so
that the engine computes in the types that it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import onnx

from faceport.api import Artifact, Session, Source, Target
from faceport.errors import FaceportError
from faceport.graph.half import to_half
from faceport.graph.names import excluded, load
from faceport.graph.qdq import QDQ_OPSET, insert_qdq
from faceport.graph.ranges import Range, measure
from faceport.graph.taps import float_tensors, tap
from faceport.targets.machine import installed_version, not_importable
from faceport.targets.sentences import need_calls
from faceport.types import Tensors

ENGINE = "network.engine"
INSTALL = "pip install 'faceport-tensorrt[cu13]', with NVIDIA's package index as an extra one"


@dataclass(frozen=True)
class TensorRtOptions:
    """Options of the target."""

    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    device: int = 0
    max_batch: int = 16
    sizes: list[int] | None = None  # smallest, usual, largest side of free axes
    streams: int = 1  # runs at the same time
    level: int = 3
    workspace: int | None = None  # megabytes
    timing_cache: bool = True
    tolerance: float | None = None  # largest error, relative to the spread of an output
    exclude: list[str] = field(default_factory=list)  # fp16, int8: ONNX nodes that stay in fp32
    accuracy_budget: float | None = None
    range: Literal["minmax", "percentile", "entropy", "mse"] = "entropy"

    def __post_init__(self) -> None:
        if self.sizes is not None and (len(self.sizes) != 3 or sorted(self.sizes) != list(self.sizes)):
            raise ValueError(
                f"option 'sizes' is {list(self.sizes)}, it must be three growing sides, e.g. [64, 640, 1280]"
            )
        for name, least in (("max_batch", 1), ("streams", 1), ("level", 0), ("device", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"option '{name}' is {getattr(self, name)}, it must be at least {least}")


class TensorRt(Target):
    """Run networks with TensorRT."""

    Options = TensorRtOptions
    options: TensorRtOptions
    capabilities = frozenset({"dynamic_batch"})  # free sizes between those of the profile

    def missing(self) -> str:
        """Say what to install."""
        return not_importable(INSTALL, "tensorrt", "cuda.bindings.runtime")

    @property
    def calibrates(self) -> bool:
        """Calls are needed to find the ranges of int8."""
        return self.options.precision == "int8"

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the engine: versions and the GPU too, it runs on nothing else."""
        options = self.options
        shaping: dict[str, Any] = {
            "tensorrt": installed_version("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
            "gpu": "" if self.missing() else _gpu(options.device),
            "precision": options.precision,
            "max_batch": options.max_batch,
            "sizes": options.sizes,
            "level": options.level,
            "workspace": options.workspace,
        }
        if options.precision != "fp32":
            shaping["exclude"] = sorted(options.exclude)
        return shaping | ({"range": options.range} if self.calibrates else {})

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Write the precision into the graph and build an engine of it."""
        from faceport_tensorrt.engine import build_engine, profile_shapes

        network, options = source.network, self.options
        model = load(source.onnx(), QDQ_OPSET if self.calibrates else 0)
        exclude = excluded(model, network.name, options.exclude)
        calls = calibration if isinstance(calibration, Sequence) else list(calibration)
        shapes = profile_shapes(network, calls, options)
        if options.precision == "fp16":
            to_half(model, exclude)
        elif self.calibrates:
            ranges = self._measure(source, model, need_calls(calls, network), shapes)
            if not insert_qdq(model, ranges, exclude):
                raise FaceportError(f"int8: no layer of network '{network.name}' is left to quantise")
        (out / ENGINE).write_bytes(build_engine(model, network, shapes, options))

    def _measure(
        self, source: Source, model: onnx.ModelProto, calls: Sequence[Tensors], shapes: Mapping[str, Any]
    ) -> dict[str, Range]:
        """Find the ranges of all activations with an fp32 engine that gives them out."""
        from faceport_tensorrt.engine import build_engine
        from faceport_tensorrt.session import Engine

        tapped, plain = tap(model, float_tensors(model)), replace(self.options, precision="fp32")
        with TemporaryDirectory() as folder:
            path = Path(folder, ENGINE)
            path.write_bytes(build_engine(tapped, source.network, shapes, plain))
            engine = Engine(Artifact(path.parent, source.network, {}), plain)
            with closing(engine):
                return measure(engine.run, calls, self.options.range)

    def open(self, artifact: Artifact) -> Session:
        """Load the engine onto the GPU."""
        from faceport_tensorrt.session import Engine

        return Engine(artifact, self.options)


def _gpu(number: int) -> str:
    from faceport_tensorrt.cuda import device_name

    return device_name(number)
