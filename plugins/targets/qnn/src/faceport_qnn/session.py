"""A compiled network on the NPU, or on Qualcomm's emulator of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping

from faceport.api import Artifact, Session
from faceport.errors import FaceportError
from faceport.targets.machine import installed_version
from faceport.targets.sentences import cannot_open, cannot_run
from faceport.types import Tensors
from faceport_qnn.options import ABOUT, MODEL, QnnOptions
from faceport_qnn.provider import first_cause, open_session

ARM = ("aarch64", "arm64")


class QnnSession(Session):
    """One session; its networks have fixed sizes."""

    def __init__(self, artifact: Artifact, options: QnnOptions) -> None:
        self._network, version = artifact.network, installed_version("onnxruntime-qnn")
        try:
            about = json.loads((artifact.path / ABOUT).read_text())
            if about["chip"] != options.chip:
                raise FaceportError(f"it was compiled for {about['chip']}, not for {options.chip}")
            self._session = open_session(str(artifact.path / MODEL), options, {})
        except Exception as error:  # onnxruntime's own classes differ between versions
            raise cannot_open("QNN", version, artifact, first_cause(error)) from error
        self._outputs = [output.name for output in self._session.get_outputs()]
        chip = options.known
        simulated = {} if platform.machine().lower() in ARM else {"simulated": "Qualcomm's emulator"}
        self._facts = {
            "runtime": "qnn",
            "version": version,
            "device": f"{options.chip.upper()} (Hexagon v{chip.architecture})",
            "precision": about["precision"],
            **{name: about[name] for name in ("int8_layers", "int16_nodes") if name in about},
            **simulated,
        }

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the chip, the precision that was compiled, and whether it is emulated."""
        return self._facts

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        try:
            outputs = self._session.run(self._outputs, dict(inputs))
        except Exception as error:  # onnxruntime's own classes differ between versions
            raise cannot_run("QNN", self._network, inputs, first_cause(error)) from error
        return dict(zip(self._outputs, outputs, strict=True))
