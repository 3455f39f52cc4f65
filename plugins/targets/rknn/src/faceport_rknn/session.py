"""A compiled network on Rockchip's simulation, in the Python that has the toolkit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from faceport.api import Artifact, Session
from faceport.errors import FaceportError
from faceport.graph.normalise import Normalisation
from faceport.targets.sentences import cannot_open, cannot_run
from faceport.types import Tensors
from faceport_rknn.environment import start, toolkit_version
from faceport_rknn.options import ABOUT, RknnOptions


class RknnSession(Session):
    """One process of the toolkit, which holds one network of fixed sizes."""

    def __init__(self, artifact: Artifact, options: RknnOptions) -> None:
        self._network, release = artifact.network, toolkit_version(options)
        self._worker = start(options)
        try:
            about: dict[str, Any] = json.loads((artifact.path / ABOUT).read_text())
            if about["chip"] != options.chip:
                raise FaceportError(f"it was compiled for {about['chip']}, not for {options.chip}")
            self._told = {**about, "folder": str(artifact.path)}
            self._worker.call("open", self._told, {})
        except (FaceportError, OSError, ValueError, KeyError) as error:
            self._worker.close()
            raise cannot_open("RKNN", release, artifact, error) from error
        self._inputs = [spec.name for spec in self._network.inputs]
        mean, deviation = about["mean"], about["deviation"]
        self._way = Normalisation(tuple(mean), tuple(deviation), "") if mean else None
        self._facts = {
            "runtime": "rknn",
            "version": release,
            "device": options.chip.upper(),
            "precision": about["precision"],
            **({"float16_nodes": about["float16_nodes"]} if about["float16_nodes"] else {}),
            **({"takes": "pixels"} if mean else {}),
            "simulated": "Rockchip's simulation",
        }

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the chip, the precision that was compiled, and that it is simulated."""
        return self._facts

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        given = {name: inputs[name] for name in self._inputs}
        if self._way:
            given = {name: self._way.pixels(value) for name, value in given.items()}
        try:
            return self._worker.call("run", self._told, given)[1]
        except FaceportError as error:
            raise cannot_run("RKNN", self._network, inputs, error) from error

    def close(self) -> None:
        """End the process."""
        self._worker.close()
