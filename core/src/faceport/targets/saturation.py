"""Processors that cut sums of 8-bit products off at 16 bits, and weights that are small enough for them.

x86 without VNNI multiplies unsigned activations by signed weights and adds every two products in 16 bits:
2 * 255 * 127 is more than 32767, 2 * 255 * 64 is not: so weights get 7 bits or, where it is known which two
are added, 8 bits of which no two add up to more than 128. No list of processors says which kernels do that
(ONNX Runtime's for AVX2 do, for SSE and arm64 not; OpenVINO's for AVX2 and SSE do; MNN's nowhere): each
target asks its runtime for such a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ReduceRange = Literal["auto", True, False]

ACTIVATION, WEIGHT = 255, 127  # the largest of 8 bits: what a runtime is asked with
REDUCED = 64  # the largest weight of 7 bits
DEPTH = 64  # products in the sum that a runtime is asked for


def settle(asked: ReduceRange, saturates: Callable[[], bool]) -> bool:
    """Settle whether weights get 7 bits: as asked, or as the processor of this machine needs it."""
    return saturates() if asked == "auto" else bool(asked)


def fits_seven_bits(weights: Iterable[NDArray[Any]]) -> bool:
    """Tell whether all weights of a quantised network keep to 7 bits."""
    return all(np.abs(weight.astype(np.int16)).max(initial=0) <= REDUCED for weight in weights)


@dataclass(frozen=True)
class Sums:
    """What an 8-bit network and the processor that runs it make of sums of two products."""

    small: bool  # the network's weights: no sum is beyond 16 bits
    cut_off: bool  # by the fast kernels of the processor
    kept: str = "7 bits"  # what small weights are

    @property
    def exact(self) -> bool:
        """Tell whether no sum is cut off."""
        return self.small or not self.cut_off

    def facts(self, asked: ReduceRange, otherwise: str) -> dict[str, str]:
        """Report both, with a note where the weights suit another processor, and what this one does then."""
        facts = {
            "weight_bits": self.kept.replace(" bits", "", 1) if self.small else "8",
            "sums": "16 bits" if self.cut_off else "exact",
        }
        if not self.exact:
            facts["note"] = (
                "its weights have 8 bits, and this processor cuts sums of 8-bit products off at 16: "
                f"{otherwise}. Compile it here, or with target.reduce_range=true"
            )
        elif self.small and not self.cut_off and asked == "auto":
            facts["note"] = (
                f"its weights have {self.kept}, for processors that cut sums of 8-bit products off at 16, "
                "as this one does not: compiled here, or with target.reduce_range=false, it is more exact"
            )
        return facts
