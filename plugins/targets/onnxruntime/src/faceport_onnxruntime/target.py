"""ONNX Runtime: the exported network is the artifact. https://onnxruntime.ai/docs/performance/tune-performance"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from faceport.api import Artifact, Session, Source, Target
from faceport.errors import FaceportError, explain_import
from faceport.types import Tensors

MODEL = "model.onnx"
LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


@dataclass(frozen=True)
class OnnxRuntimeOptions:
    """Options of the target."""

    precision: Literal["fp32"] = "fp32"
    threads: int = 1  # inside one run
    streams: int | None = None  # runs at the same time
    spinning: bool = False
    graph: Literal["none", "basic", "extended", "all"] = "all"


class OnnxRuntime(Target):
    """Run networks with ONNX Runtime."""

    Options = OnnxRuntimeOptions
    options: OnnxRuntimeOptions

    def missing(self) -> str:
        """Say what to install."""
        try:
            import onnxruntime
        except ImportError as error:
            return f"{explain_import(error)} (pip install 'faceport-onnxruntime[cpu]')"
        if not hasattr(onnxruntime, "InferenceSession"):
            return (
                "the module 'onnxruntime' is there but empty: two of its packages overwrote each other. "
                "pip uninstall onnxruntime onnxruntime-gpu, then install one of them"
            )
        return ""

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Keep the exported network: ONNX Runtime optimises it when it is opened."""
        shutil.copyfile(source.onnx(), out / MODEL)

    def open(self, artifact: Artifact) -> Session:
        """Create an inference session."""
        return OnnxRuntimeSession(artifact, self.options)


class OnnxRuntimeSession(Session):
    """One inference session; it may be run from several threads."""

    def __init__(self, artifact: Artifact, options: OnnxRuntimeOptions) -> None:
        import onnxruntime as ort

        config = ort.SessionOptions()
        config.intra_op_num_threads = options.threads
        config.inter_op_num_threads = 1
        config.graph_optimization_level = getattr(ort.GraphOptimizationLevel, LEVELS[options.graph])
        config.add_session_config_entry("session.intra_op.allow_spinning", str(int(options.spinning)))
        config.log_severity_level = 3  # errors; warnings about foldable nodes help nobody here
        path = artifact.path / MODEL
        try:
            self._session = ort.InferenceSession(str(path), config, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own classes differ between versions
            raise FaceportError(
                f"ONNX Runtime {ort.__version__} cannot open {path}: {str(error).splitlines()[0]}. "
                "If the file is damaged, delete the artifact and compile it again"
            ) from error
        cores = os.cpu_count() or 1
        self.streams = options.streams or max(1, cores // max(1, options.threads or cores))
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._facts = {
            "runtime": "onnxruntime",
            "version": ort.__version__,
            "device": ", ".join(
                name.removesuffix("ExecutionProvider") for name in self._session.get_providers()
            ),
            "precision": "fp32",
        }

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the providers that the session really has."""
        return self._facts

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        outputs: list[Any] = self._session.run(self._outputs, dict(inputs))
        return dict(zip(self._outputs, outputs, strict=True))
