"""Paints a whole picture: a room or a garden out of focus, the people in it, the grain of a camera."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.types import Image
from faceport_synthetic.canvas import Canvas, blurred
from faceport_synthetic.painter import paint_face
from faceport_synthetic.people import Face


def paint_scene(seed: int, index: int, size: tuple[int, int], faces: list[Face]) -> Image:
    """Paint one picture; the same seed and index always give the same pixels."""
    rng = np.random.default_rng([seed, index, 3])
    image = paint_background(rng, size)
    for face in faces:
        paint_face(image, face)
        if face.view.blur:
            _defocus(image, face)
    grain = cv2.cvtColor(rng.integers(0, 256, size, np.uint8), cv2.COLOR_GRAY2RGB)
    strength = rng.uniform(0.01, 0.05)
    cv2.addWeighted(image, 1, grain, strength, -127.5 * strength, dst=image)
    return image


def paint_background(rng: np.random.Generator, size: tuple[int, int]) -> Image:
    """Paint clutter that no face can be mistaken for, at half the resolution because it is out of focus."""
    height, width = (max(2, (length + 1) // 2) for length in size)
    base = rng.uniform(70, 190) + rng.normal(0, 16, 3)
    walls = _tones(rng, base, 26, (3, 4)).astype(np.uint8)
    image = cv2.resize(walls, (width, height), interpolation=cv2.INTER_LINEAR)
    canvas = Canvas(image)
    for _ in range(rng.integers(8, 24)):
        middle = rng.uniform((0, 0), (width, height))
        length = max(width, height) * rng.uniform(0.04, 0.3)
        colour = tuple(_tones(rng, base, 45, ()).tolist())
        kind, alpha = rng.integers(4), rng.uniform(0.4, 1)
        if kind == 0:  # a window, a picture, a book
            across, down = length * rng.uniform(0.2, 1, 2)
            tilt = rng.normal(0, 0.05)
            box = np.array([[-across, -down], [across, -down], [across, down], [-across, down]])
            canvas.fill(middle + box @ np.array([[1, tilt], [-tilt, 1]]), colour, alpha)
        elif kind == 1:  # a light out of focus
            angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
            canvas.fill(
                middle + 0.4 * length * np.stack([np.cos(angle), np.sin(angle)], -1), colour, 0.6 * alpha
            )
        elif kind == 2:  # a pole, a branch, an edge
            step = rng.normal(0, 2 * length, 2)
            canvas.line(
                np.stack([middle - step, middle + step]), colour, rng.uniform(0.5, 0.06 * length + 1), alpha
            )
        else:  # leaves
            for corner in middle + rng.normal(0, 0.4 * length, (6, 2)):
                leaf = corner + rng.normal(0, 0.12 * length, (4, 2))
                canvas.fill(leaf, colour, alpha)
    image = cv2.resize(blurred(image, rng.uniform(0.4, 2.2)), (2 * width, 2 * height))
    return np.ascontiguousarray(image[: size[0], : size[1]])


def _tones(
    rng: np.random.Generator, base: NDArray[np.float64], spread: float, shape: tuple[int, ...]
) -> NDArray[Any]:
    """Vary a colour, its brightness more than its hue."""
    return np.clip(
        base + rng.normal(0, spread, (*shape, 1)) + rng.normal(0, 0.5 * spread, (*shape, 3)), 0, 255
    )


def _defocus(image: Image, face: Face) -> None:
    around = face.ring(face.head.skull[0] * 0.6 + face.head.landmarks[16] * 0.4, 1.6, 2.0)
    with Canvas(image).inside(around) as head:
        head.image[:] = blurred(head.image, max(0.6, face.view.blur * face.scale))
