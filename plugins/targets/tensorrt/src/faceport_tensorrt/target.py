"""TensorRT: a serialized engine is the artifact. https://docs.nvidia.com/deeplearning/tensorrt

Networks are strongly typed (TensorRT 11 knows no others): fp16 and int8 are written into the ONNX graph, so
that the engine computes in the types that it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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
from faceport_tensorrt.options import ENGINE, TensorRtOptions

INSTALL = "pip install 'faceport-tensorrt[cu13]', with NVIDIA's package index as an extra one"


class TensorRt(Target):
    """Run networks with TensorRT."""

    Options = TensorRtOptions
    options: TensorRtOptions
    capabilities = frozenset({"dynamic_batch", "some_dynamic_shapes"})  # between those of the profile

    def missing(self) -> str:
        """Say what to install."""
        return not_importable(INSTALL, "tensorrt", "cuda.bindings.runtime")

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the engine: versions and the GPU too, it runs on nothing else."""
        options = self.options
        return {
            **super().recipe(),
            "tensorrt": installed_version("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
            "gpu": "" if self.missing() else _gpu(options.device),
            "max_batch": options.max_batch,
            "sizes": options.sizes,
            "level": options.level,
            "workspace": options.workspace,
        }

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
            if not insert_qdq(model, ranges, exclude) and not options.allow_fallback:
                raise FaceportError(f"int8: no layer of network '{network.name}' is left to quantise")
        (out / ENGINE).write_bytes(build_engine(model, network, shapes, options))

    def _measure(
        self, source: Source, model: onnx.ModelProto, calls: Sequence[Tensors], shapes: Mapping[str, Any]
    ) -> dict[str, Range]:
        """Find the ranges of all activations with an fp32 engine that gives them out."""
        from faceport_tensorrt.engine import build_engine
        from faceport_tensorrt.session import TensorRtSession

        tapped, plain = tap(model, float_tensors(model)), self.with_options(precision="fp32").options
        with TemporaryDirectory() as folder:
            path = Path(folder, ENGINE)
            path.write_bytes(build_engine(tapped, source.network, shapes, plain))
            engine = TensorRtSession(Artifact(path.parent, source.network, {}), plain)
            with closing(engine):
                return measure(engine.run, calls, self.options.range)

    def open(self, artifact: Artifact) -> Session:
        """Load the engine onto the GPU."""
        from faceport_tensorrt.session import TensorRtSession

        return TensorRtSession(artifact, self.options)


def _gpu(number: int) -> str:
    from faceport_tensorrt.cuda import device_name

    return device_name(number)
