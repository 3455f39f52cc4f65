"""Options of Rockchip's NPUs, and the names of the files in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import QuantisedOptions
from faceport.errors import suggest

COMPILED = "network.rknn"  # what a board runs
ABOUT = "about.json"  # chip, precision, outputs, what is left in float

# The names that rknn-toolkit2 2.5.0 gives for target_platform, in the docstring of RKNN.config.
CHIPS = (
    "rk2118",
    "rk3562",
    "rk3566",
    "rk3568",
    "rk3576",
    "rk3588",
    "rv1103",
    "rv1103b",
    "rv1106",
    "rv1106b",
    "rv1126b",
)


@dataclass(frozen=True)
class RknnOptions(QuantisedOptions):
    """Options of the target."""

    chip: str = ""  # must be chosen: a .rknn is for one chip
    precision: Literal["fp16", "int8"] = "fp16"
    range: Literal["normal", "kl_divergence", "mmse"] = "normal"
    pixels: bool = False
    python: str = ""
    limit: float = 1800.0

    def __post_init__(self) -> None:
        if not self.chip:
            raise ValueError(f"option 'chip' must be given. {suggest('', CHIPS)[:-1]}")
        if self.chip not in CHIPS:
            raise ValueError(f"option 'chip' is '{self.chip}'. {suggest(self.chip, CHIPS)[:-1]}")
        if not self.limit > 0:
            raise ValueError(f"option 'limit' is {self.limit:g}, it must be more than 0")
