"""Integers that stand for numbers, and the scale and zero point that spread them over a range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceport.graph.ranges import Range


@dataclass(frozen=True)
class Levels:
    """The integers of a type that activations are rounded to."""

    type: type[np.integer]
    lowest: int
    highest: int

    @property
    def symmetric(self) -> bool:
        """Tell whether zero is always the integer 0, for compilers that know no zero points."""
        return self.lowest == -self.highest

    @property
    def count(self) -> int:
        """Count the integers."""
        return self.highest - self.lowest + 1

    def grid(self, found: Range) -> Grid:
        """Spread the integers over a range, zero among them."""
        low, high = min(found[0], 0.0), max(found[1], 0.0)
        if self.symmetric:
            return Grid(self, np.float32(max(-low, high) / self.highest or 1.0), 0)
        scale = np.float32((high - low) / (self.count - 1) or 1.0)
        zero = self.lowest - low / float(scale)
        return Grid(self, scale, int(np.clip(np.rint(zero), self.lowest, self.highest)))


@dataclass(frozen=True)
class Grid:
    """What rounding an activation to integers takes."""

    levels: Levels
    scale: np.float32
    zero: int

    @property
    def bounds(self) -> tuple[int, int]:
        """Give the smallest and the largest integer, counted from zero's."""
        return self.levels.lowest - self.zero, self.levels.highest - self.zero


INT8 = Levels(np.int8, -127, 127)
UINT8 = Levels(np.uint8, 0, 255)
UINT16 = Levels(np.uint16, 0, 65535)
