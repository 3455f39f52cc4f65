"""What an artifact says of itself, and the way from a network's input to the bytes that vamp reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceport.graph.normalise import Normalisation, to_pixels
from faceport.targets.about import AboutFile
from faceport.types import Array
from faceport_vastai.options import ABOUT


@dataclass(frozen=True)
class About(AboutFile):
    """What a session must know of a compiled network."""

    runtime, name_of_file = "vastai", ABOUT

    name: str  # of the folder that vamc makes
    toolkit: str
    precision: str
    mean: Sequence[float]
    deviation: Sequence[float]
    colour: str
    outputs: Sequence[str]
    shapes: Sequence[Sequence[int]]


def to_rgb(array: Array, normalisation: Normalisation | About) -> Array:
    """Give the pictures behind an input: uint8, RGB, NCHW."""
    cure = "Vastai's card normalises by itself and cannot run this model; use a model of whole pixels"
    pixels = to_pixels(array, normalisation.mean, normalisation.deviation, cure)
    return np.ascontiguousarray(pixels[:, ::-1] if normalisation.colour == "BGR" else pixels)
