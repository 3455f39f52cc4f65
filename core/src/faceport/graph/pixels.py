"""Compiled networks that take pixels (uint8, NHWC, RGB), behind the floats that models give."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from faceport.api import Network, Session
from faceport.errors import FaceportError
from faceport.graph.normalise import Normalisation, fold_normalisation
from faceport.types import Tensors


def take_pixels(model: onnx.ModelProto, network: Network) -> None:
    """Write the way from pixels to its input into a network's graph, whatever its precision is."""
    way = _way(network)
    fold_normalisation(model, network.inputs[0].name, way)


def _way(network: Network) -> Normalisation:
    if len(network.inputs) != 1:
        raise FaceportError(
            f"network '{network.name}' has several inputs, it takes no pixels: give it floats"
        )
    return Normalisation.of(network.preprocessing)


class FromFloats(Session):
    """Give the pixels that its floats were made of to a session that takes pixels."""

    def __init__(self, session: Session, network: Network) -> None:
        self._session, self._way = session, _way(network)
        self.streams, self.window = session.streams, session.window

    @property
    def facts(self) -> Mapping[str, str]:
        """Report what runs, and that it takes pixels."""
        return {**self._session.facts, "takes": "pixels"}

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        turn = slice(None, None, -1 if self._way.colour == "BGR" else 1)
        pixels = {name: self._way.pixels(value)[..., turn] for name, value in inputs.items()}
        return self._session.run({name: np.ascontiguousarray(value) for name, value in pixels.items()})

    def close(self) -> None:
        """Close the session inside."""
        self._session.close()
