"""Damages: what befalls a picture before a model sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2

from faceport.api import NoOptions
from faceport.types import Image


class Damage(ABC):
    """Spoil pictures as a lens or a lamp does."""

    Options: ClassVar[type] = NoOptions

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def apply(self, image: Image) -> Image:
        """Give a spoiled copy of a picture, of the same size."""


@dataclass(frozen=True)
class BlurOptions:
    """Options; conf/damage/blur.yaml explains them."""

    sigma: float = 2.0

    def __post_init__(self) -> None:
        if self.sigma <= 0:
            raise ValueError(f"sigma is {self.sigma:g}, it must be more than 0")


class Blur(Damage):
    """Put a picture out of focus."""

    Options = BlurOptions
    options: BlurOptions

    def apply(self, image: Image) -> Image:
        """Blur by a Gaussian."""
        blurred: Image = cv2.GaussianBlur(image, (0, 0), self.options.sigma)
        return blurred


@dataclass(frozen=True)
class DarkOptions:
    """Options; conf/damage/dark.yaml explains them."""

    light: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.light <= 1:
            raise ValueError(f"light is {self.light:g}, it must lie in 0..1")


class Dark(Damage):
    """Take most of the light away."""

    Options = DarkOptions
    options: DarkOptions

    def apply(self, image: Image) -> Image:
        """Scale every channel."""
        darkened: Image = cv2.convertScaleAbs(image, alpha=self.options.light)
        return darkened
