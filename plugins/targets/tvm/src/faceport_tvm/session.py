"""A compiled library of TVM in its virtual machine."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from faceport.api import Artifact, Session
from faceport.errors import FaceportError
from faceport.targets.machine import installed_version
from faceport.targets.sentences import cannot_open, cannot_run
from faceport.types import Tensors
from faceport_tvm.options import LIBRARY


class TvmSession(Session):
    """One virtual machine; it holds Python's lock while it runs, so more would gain nothing."""

    def __init__(self, artifact: Artifact, kind: str, threads: int, made_for: Mapping[str, Any]) -> None:
        import tvm

        self._tvm, self._network, self._made_for = tvm, artifact.network, made_for
        self._device = tvm.device("cpu" if kind == "llvm" else kind)
        if not self._device.exist:
            raise FaceportError(f"TVM finds no {kind} device on this machine: choose target.kind=llvm")
        tvm.get_global_func("runtime.config_threadpool")(1, threads)
        try:
            library = tvm.runtime.load_module(str(artifact.path / LIBRARY))
            self._machine = tvm.relax.VirtualMachine(library, self._device)
        except Exception as error:  # TVM's own classes
            raise cannot_open("TVM", installed_version("apache-tvm"), artifact, error) from error
        self._busy = threading.Lock()

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the device that the machine was made for; its code computes what the graph says."""
        facts = {
            "runtime": "tvm",
            "version": installed_version("apache-tvm"),
            "device": str(self._device).split(":")[0].upper(),
            "precision": "fp32",
            "tuning": f"{self._made_for['tuning']} trials" if self._made_for["tuning"] else "none",
        }
        return facts | ({"mcpu": self._made_for["cpu"]} if facts["device"] == "CPU" else {})

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        ordered = [np.ascontiguousarray(inputs[spec.name]) for spec in self._network.inputs]
        try:
            with self._busy:
                found: Any = self._machine["main"](
                    *(self._tvm.runtime.tensor(value, self._device) for value in ordered)
                )
                outputs = list(found) if len(self._network.outputs) > 1 else [found]
                arrays = [output.numpy() for output in outputs]
        except Exception as error:  # TVM's own classes
            raise cannot_run("TVM", self._network, inputs, error) from error
        names = [spec.name for spec in self._network.outputs]
        return dict(zip(names, arrays, strict=True))
