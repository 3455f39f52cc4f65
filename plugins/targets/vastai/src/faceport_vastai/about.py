"""What an artifact says of itself, and the way from a network's input to the bytes that vamp reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from faceport.errors import FaceportError
from faceport.graph.normalise import Normalisation, to_pixels
from faceport.types import Array
from faceport_vastai.options import ABOUT


@dataclass(frozen=True)
class About:
    """What a session must know of a compiled network."""

    name: str  # of the folder that vamc makes
    toolkit: str
    precision: str
    mean: Sequence[float]
    deviation: Sequence[float]
    colour: str
    outputs: Sequence[str]
    shapes: Sequence[Sequence[int]]

    def write(self, folder: Path) -> None:
        """Write it beside the network."""
        (folder / ABOUT).write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, folder: Path) -> About:
        """Read it."""
        try:
            return cls(**json.loads((folder / ABOUT).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise FaceportError(
                f"vastai cannot open {folder}: {ABOUT} is damaged. Delete the folder and compile again"
            ) from error


def to_rgb(array: Array, normalisation: Normalisation | About) -> Array:
    """Give the pictures behind an input: uint8, RGB, NCHW."""
    cure = "Vastai's card normalises by itself and cannot run this model; use a model of whole pixels"
    pixels = to_pixels(array, normalisation.mean, normalisation.deviation, cure)
    return np.ascontiguousarray(pixels[:, ::-1] if normalisation.colour == "BGR" else pixels)
