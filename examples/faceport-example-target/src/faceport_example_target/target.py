"""NumPy, by ONNX's own evaluator. https://onnx.ai/onnx/api/reference.html"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from faceport.api import Artifact, Session, Source, Target
from faceport.errors import FaceportError, explain_import
from faceport.types import Tensors

FILE = "model.onnx"


class ExampleNumpy(Target):
    """Run networks in plain NumPy: slow, and easy to look into."""

    def missing(self) -> str:
        """Say what to install."""
        try:
            import onnx.reference
        except ImportError as error:
            return f"{explain_import(error)} (pip install onnx)"
        del onnx
        return ""

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Keep the exported network: there is nothing to compile."""
        shutil.copyfile(source.onnx(), out / FILE)

    def open(self, artifact: Artifact) -> Session:
        """Read the network, and find damage now rather than in the middle of a run."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        path = artifact.path / FILE
        try:
            onnx.checker.check_model(str(path))
            return NumpySession(ReferenceEvaluator(str(path)))
        except Exception as error:  # parser and checker have their own classes
            raise FaceportError(f"cannot open {path}: it is damaged. Delete it and compile again") from error


class NumpySession(Session):
    """One network."""

    def __init__(self, evaluator: Any) -> None:
        self._evaluator = evaluator

    @property
    def facts(self) -> Mapping[str, str]:
        """Say what runs."""
        from onnx import __version__

        return {"runtime": "onnx.reference", "version": __version__, "device": "CPU", "precision": "fp32"}

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        outputs = self._evaluator.run(None, dict(inputs))
        return dict(zip(self._evaluator.output_names, outputs, strict=True))
