"""What an artifact says of itself, and the arithmetic that the host owes around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from faceport.graph.normalise import to_pixels
from faceport.targets.about import AboutFile
from faceport.types import Array, Tensors
from faceport_ascend.options import ABOUT
from faceport_ascend.ranges import Range, is_static


@dataclass(frozen=True)
class About(AboutFile):
    """What a session must know of a compiled network."""

    runtime, name_of_file = "ascend", ABOUT

    soc_version: str
    toolkit: str
    command: Sequence[str]
    ranges: Mapping[str, list[Range]]
    outputs: Sequence[str]
    softmax: Mapping[str, int] = field(default_factory=dict)  # axis, by output
    mean: Sequence[float] = ()  # of the bytes that AIPP takes; empty: floats
    std: Sequence[float] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Make it of what the file holds, where pairs are lists."""
        ranges = {
            name: [(int(low), int(high)) for low, high in axes] for name, axes in content["ranges"].items()
        }
        return cls(**{**content, "ranges": ranges})

    @property
    def static(self) -> bool:
        """Tell whether every axis has one size."""
        return is_static(self.ranges)

    @property
    def rows(self) -> int:
        """The most rows of one run."""
        return min(axes[0][1] for axes in self.ranges.values())

    def enter(self, inputs: Tensors) -> list[Array]:
        """Make the inputs as the .om takes them: fp32 in C order, or bytes in NHWC for AIPP."""
        arrays = [np.ascontiguousarray(inputs[name]) for name in self.ranges]
        return [self._to_bytes(array) for array in arrays] if len(self.mean) else arrays

    def _to_bytes(self, array: Array) -> Array:
        pixels = to_pixels(array, self.mean, self.std, "use target.aipp=false")
        return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))

    def leave(self, outputs: Sequence[Array]) -> dict[str, Array]:
        """Name the outputs and compute what was cut out of the graph."""
        found = {}
        for name, value in zip(self.outputs, outputs, strict=True):
            value = np.asarray(value, np.float32)
            if name in self.softmax:
                axis = self.softmax[name]
                raised = np.exp(value - value.max(axis=axis, keepdims=True))
                value = raised / raised.sum(axis=axis, keepdims=True)
            found[name] = value
        return found
