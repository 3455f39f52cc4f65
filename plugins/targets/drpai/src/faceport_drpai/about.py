"""What an artifact says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faceport.targets.about import AboutFile
from faceport_drpai.options import ABOUT


@dataclass(frozen=True)
class About(AboutFile):
    """What a session must know of a compiled network."""

    runtime, name_of_file = "drpai", ABOUT

    product: str
    release: int
    mode: str
    precision: str
    address: str  # that was compiled in
    outputs: Sequence[str]
    shapes: Sequence[Sequence[int]]
