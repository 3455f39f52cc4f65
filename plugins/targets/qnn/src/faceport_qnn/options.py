"""Options of Qualcomm's NPU, and the names of the files in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import QuantisedOptions
from faceport.errors import suggest
from faceport_qnn.chips import CHIPS, Chip

MODEL = "model.ctx.onnx"  # the compiled network lies in it
ABOUT = "about.json"  # how many layers have how many bits


@dataclass(frozen=True)
class QnnOptions(QuantisedOptions):
    """Options of the target."""

    chip: str = ""  # must be chosen: the compiler's own default is an old one
    precision: Literal["fp16", "int8", "int16"] = "fp16"
    range: Literal["minmax", "percentile", "entropy", "mse"] = "mse"
    prepare: bool = True  # equalise channels and correct biases before anything is rounded

    def __post_init__(self) -> None:
        if not self.chip:
            raise ValueError(f"option 'chip' must be given. {suggest('', CHIPS)[:-1]}")
        if self.chip not in CHIPS:
            raise ValueError(f"option 'chip' is '{self.chip}'. {suggest(self.chip, CHIPS)[:-1]}")

    @property
    def known(self) -> Chip:
        """What the compiler is told of the chip."""
        return CHIPS[self.chip]
