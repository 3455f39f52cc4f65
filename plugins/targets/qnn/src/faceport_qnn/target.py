"""Qualcomm's Hexagon NPU: a context ONNX is the artifact. https://onnxruntime.ai/docs/execution-providers"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import onnx

from faceport.api import Artifact, Session, Source, Target
from faceport.graph.names import excluded, load
from faceport.graph.qdq import QDQ_OPSET
from faceport.targets.machine import installed_version, not_importable
from faceport.targets.sentences import cannot_compile, need_calls
from faceport.targets.tool import Tool, ToolError
from faceport.types import Tensors
from faceport_qnn.options import ABOUT, MODEL, QnnOptions

COMPILER = Tool("Qualcomm's compiler", limit=1800)


class Qnn(Target):
    """Compile networks for the NPU of a chip, and run them there or on Qualcomm's emulator."""

    Options = QnnOptions
    options: QnnOptions
    capabilities: ClassVar[frozenset[str]] = frozenset()
    soundest = "fp16"

    def missing(self) -> str:
        """Say what to install."""
        return not_importable("pip install 'faceport-qnn[htp]'", "onnxruntime", "onnxruntime_qnn")

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        return {
            **super().recipe(),
            "onnxruntime-qnn": installed_version("onnxruntime-qnn"),
            "chip": self.options.chip,
            **({"prepare": self.options.prepare} if self.calibrates else {}),
        }

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Round the network where integers are asked for, and compile it for the chip."""
        from faceport_qnn.quantise import quantise

        network, version = source.network, installed_version("onnxruntime-qnn")
        model = load(source.onnx(), QDQ_OPSET)
        wide = excluded(model, network.name, self.options.exclude)
        about: dict[str, Any] = {"precision": "fp16"}
        if self.calibrates:
            about = quantise(model, need_calls(calibration, network), wide, self.options)
        with TemporaryDirectory() as folder:
            file = Path(folder, "network.onnx")
            onnx.save(model, file)
            words: list[str | Path] = [file, self.options.chip, self.options.precision, out / MODEL]
            try:
                COMPILER.run([sys.executable, "-m", "faceport_qnn.compiler", *words], products=[out / MODEL])
            except ToolError as error:
                raise cannot_compile("QNN", version, network, error) from error
        (out / ABOUT).write_text(json.dumps({"chip": self.options.chip, **about}))

    def open(self, artifact: Artifact) -> Session:
        """Load the compiled network."""
        from faceport_qnn.session import QnnSession

        return QnnSession(artifact, self.options)
