"""How crops are spoiled, so that a network learns faces and not pictures: seeded, in a given order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.types import Image

Points = NDArray[np.float64]  # (k, 2) x, y in shares of the crop's sides


@dataclass(frozen=True)
class Manner:
    """What the ways to spoil a crop need to know."""

    mirror: Sequence[int]
    rotation: float = 30.0  # degrees at most
    shift: float = 30 / 256  # of the side at most
    blur: float = 5 / 256  # deviation at most, of the side


Spoiled = tuple[Image, Points]
Way = Callable[[Image, Points, np.random.Generator, Manner], Spoiled]


def spoil(
    image: Image, points: Points, rng: np.random.Generator, chances: Mapping[str, float], manner: Manner
) -> Spoiled:
    """Go through the ways in order, each with its chance; the dice fall alike whatever the chances are."""
    for name, chance in chances.items():
        own = np.random.default_rng(rng.integers(2**63))
        if own.random() < chance:
            image, points = WAYS[name](image, points, own, manner)
    return image, points


def translate(image: Image, points: Points, rng: np.random.Generator, manner: Manner) -> Spoiled:
    """Shift by whole pixels, black where nothing is; landmarks stay inside."""
    height, width = image.shape[:2]
    dx, dy = ((rng.random(2) * 2 - 1) * manner.shift * (width, height)).astype(int)
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_NEAREST)
    return moved, np.clip(points + np.array([dx / width, dy / height]), 0, 1)


def occlude(image: Image, points: Points, rng: np.random.Generator, manner: Manner) -> Spoiled:
    """Hide a rectangle of up to two fifths of each side behind one colour."""
    height, width = image.shape[:2]
    high, wide = (rng.random(2) * 0.4 * (height, width)).astype(int)
    top = int(max(height - high - 10, 0) * rng.random())
    left = int(max(width - wide - 10, 0) * rng.random())
    image = image.copy()
    image[top : top + high, left : left + wide] = rng.integers(0, 256, 3)
    return image, points


def flip(image: Image, points: Points, rng: np.random.Generator, manner: Manner) -> Spoiled:
    """Mirror, and call each landmark by the name of its mirror image."""
    mirrored = points[list(manner.mirror)] * (-1, 1) + (1, 0)
    return np.ascontiguousarray(image[:, ::-1]), mirrored


def rotate(image: Image, points: Points, rng: np.random.Generator, manner: Manner) -> Spoiled:
    """Turn about the centre, black where nothing is."""
    height, width = image.shape[:2]
    angle = float(rng.uniform(-manner.rotation, manner.rotation))
    # Pixel centres are whole numbers to the warp, and halves to landmarks in shares of the side.
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    turned = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    centred = (points - 0.5) * (width, height) @ matrix[:, :2].T
    return turned, centred / (width, height) + 0.5


def blur(image: Image, points: Points, rng: np.random.Generator, manner: Manner) -> Spoiled:
    """Blur by a Gaussian."""
    deviation = float(rng.random() * manner.blur * image.shape[0])
    if deviation < 0.1:
        return image, points
    return cv2.GaussianBlur(image, (0, 0), deviation), points


def grey(image: Image, points: Points, rng: np.random.Generator, manner: Manner) -> Spoiled:
    """Take the colours away."""
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2), points


def colour(image: Image, points: Points, rng: np.random.Generator, manner: Manner) -> Spoiled:
    """Vary hue by 1.5 %, saturation by 70 % and brightness by 40 %."""
    gains = 1 + (rng.random(3) * 2 - 1) * (0.015, 0.7, 0.4)
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    steps = np.arange(256)
    tables = [(steps * gains[0]) % 180, np.clip(steps * gains[1], 0, 255), np.clip(steps * gains[2], 0, 255)]
    planes = [
        cv2.LUT(plane, table.astype(np.uint8))
        for plane, table in zip((hue, saturation, value), tables, strict=True)
    ]
    return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2RGB), points


def infrared(image: Image, points: Points, rng: np.random.Generator, manner: Manner) -> Spoiled:
    """Look as an infrared camera does: the red channel alone, brighter by 10 to 89."""
    bright = cv2.add(image[..., 0], float(rng.integers(10, 90)))
    return np.repeat(np.asarray(bright, np.uint8)[..., None], 3, axis=2), points


def sand(image: Image, points: Points, rng: np.random.Generator, manner: Manner) -> Spoiled:
    """Strew grey dots over one pixel in two hundred."""
    height, width = image.shape[:2]
    count = int(0.005 * height * width)
    image = image.copy()
    image[rng.integers(0, height, count), rng.integers(0, width, count)] = 125
    return image, points


WAYS: Mapping[str, Way] = {
    way.__name__: way for way in (translate, occlude, flip, rotate, blur, grey, colour, infrared, sand)
}
