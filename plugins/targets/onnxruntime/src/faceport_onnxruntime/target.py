"""ONNX Runtime: ONNX is the artifact. https://onnxruntime.ai/docs/performance/tune-performance"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx

from faceport.api import Artifact, Session, Source, Target
from faceport.graph.half import to_half
from faceport.graph.names import excluded, load
from faceport.graph.pixels import FromFloats, take_pixels
from faceport.graph.prelu import split_prelu
from faceport.graph.qdq import QDQ_OPSET
from faceport.graph.softmax import spread_softmax
from faceport.targets.machine import installed_version, not_importable
from faceport.targets.saturation import settle
from faceport.targets.sentences import cannot_compile, need_calls
from faceport.types import Tensors
from faceport_onnxruntime.options import MODEL, PROVIDERS, OnnxRuntimeOptions
from faceport_onnxruntime.quantise import quantise

SAMPLE = f'''import onnxruntime


def open_network(folder):
    session = onnxruntime.InferenceSession(str(folder / "{MODEL}"), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs)))
'''


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

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        own = {"providers": self.options.providers, "onnxruntime": _version()}
        reduced: dict[str, Any] = {}
        if self.calibrates:
            reduced = {"reduce_range": self._reduces()}
            reduced |= {"narrow": self.options.narrow, "prepare": self.options.prepare}
        fused = {"fuse": True} if self.options.fuse else {}
        return {**super().recipe(), **own, **reduced, **fused}

    def _reduces(self) -> bool:
        """Settle whether weights are kept small: where this processor would cut off their sums."""
        from faceport_onnxruntime.sums import saturates

        asks = self.options.on_processor and not self.missing()
        return settle(self.options.reduce_range, lambda: asks and saturates())

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Write the exported network in the precision that was asked for; the session optimises it."""
        model = load(source.onnx(), QDQ_OPSET if self.calibrates else 0)
        exclude = excluded(model, source.network.name, self.options.exclude)
        if self.calibrates:
            calls = need_calls(calibration, source.network)
            try:
                quantise(model, calls, exclude, self.options, self._reduces())
            except Exception as error:  # onnxruntime's own classes differ between versions
                raise cannot_compile("ONNX Runtime", _version(), source.network, error) from error
        else:
            if self.options.cpu_only:
                split_prelu(model, shortest=True)  # other providers have a fast one
                spread_softmax(model)
            if self.options.precision == "fp16":
                to_half(model, exclude)
        if self.options.fuse:
            take_pixels(model, source.network)
        onnx.save(model, out / MODEL)

    def sample(self) -> str:
        """Give what runs the artifact without faceport."""
        return SAMPLE

    def open(self, artifact: Artifact) -> Session:
        """Create an inference session."""
        from faceport_onnxruntime.session import OnnxRuntimeSession

        session = OnnxRuntimeSession(artifact, self.options)
        return FromFloats(session, artifact.network) if self.options.fuse else session


def _version() -> str:
    """Read the version of whichever package of ONNX Runtime is installed."""
    names = ("", "-gpu", "-openvino", "-directml", "-cann", "-silicon")
    return installed_version(*(f"onnxruntime{name}" for name in names))
