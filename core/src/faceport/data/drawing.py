"""Draws faces on a picture: boxes, scores, names, points and landmarks, readable on any background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.types import Faces, Image

Colour = tuple[int, int, int]  # RGB

PALETTE: tuple[Colour, ...] = (
    (64, 224, 208),  # turquoise
    (255, 170, 60),  # orange
    (190, 140, 255),  # lilac
    (140, 230, 90),  # green
    (255, 120, 140),  # coral
    (90, 180, 255),  # sky
    (250, 225, 80),  # yellow
    (255, 140, 220),  # pink
)
INK: Colour = (20, 24, 32)  # rims and letters
LANDMARK: Colour = (255, 255, 255)
POINT: Colour = (255, 214, 64)

TRACK = "track"  # attribute of faces: a number that stays with a face from frame to frame

_SHIFT = 4  # OpenCV draws at 1/16 of a pixel
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels, for one picture."""

    line: int
    rim: int  # dark, around everything bright, so that it shows on a bright picture too
    font: float
    stroke: int


def draw(image: Image, faces: Faces) -> Image:
    """Return a copy of the picture with the faces on it."""
    canvas = np.array(image, order="C")
    side = min(canvas.shape[:2])
    line = max(1, round(side / 320))
    style = _Style(
        line, rim=max(1, round(line / 2)), font=max(0.35, side / 1400), stroke=max(1, round(side / 900))
    )
    colours = _colours(faces)
    if faces.boxes is not None:
        for box, colour in zip(faces.boxes, colours, strict=True):
            _draw_box(canvas, box, colour, style)
    if faces.landmarks is not None:
        for dots in faces.landmarks:
            # Dense landmarks on a small face would be a blob: the dots shrink with the face.
            _draw_dots(canvas, dots, LANDMARK, min(1.2 * line, 0.012 * _extent(dots)), style)
    if faces.points is not None:
        for dots in faces.points:
            _draw_dots(canvas, dots, POINT, min(1.8 * line, 0.06 * _extent(dots)), style)
    if faces.boxes is not None:  # last, because labels must be read
        for index, (box, colour) in enumerate(zip(faces.boxes, colours, strict=True)):
            _draw_label(canvas, box, _label(faces, index), colour, style)
    return canvas


def _colours(faces: Faces) -> list[Colour]:
    """One colour per identity or track, or one for all."""
    if TRACK in faces.attributes:  # the same in every frame
        return [PALETTE[int(number) % len(PALETTE)] for number in faces.attributes[TRACK]]
    if faces.identities is None:
        return [PALETTE[0]] * len(faces)
    names = {name: order for order, name in enumerate(dict.fromkeys(faces.identities.tolist()))}
    return [PALETTE[names[name] % len(PALETTE)] for name in faces.identities.tolist()]


def _label(faces: Faces, index: int) -> str:
    name = "" if faces.identities is None else str(faces.identities[index])
    if TRACK in faces.attributes:
        name = f"{name} #{faces.attributes[TRACK][index]}".strip()
    score = "" if faces.scores is None else f"{float(faces.scores[index]):.2f}"
    return f"{name} {score}".strip()


def _extent(dots: NDArray[Any]) -> float:
    """Longer side of the dots' bounding box in pixels."""
    dots = dots[np.isfinite(dots).all(axis=-1)]
    return float(np.ptp(dots, axis=0).max()) if len(dots) else 0.0


def _drawable(values: NDArray[Any]) -> bool:
    # OpenCV counts 1/16 pixels in 32 bits: what a broken network says must not wrap around into the picture.
    return bool(np.isfinite(values).all() and np.abs(values).max(initial=0) < 1e6)


def _draw_box(canvas: Image, box: NDArray[Any], colour: Colour, style: _Style) -> None:
    if not _drawable(box):
        return
    first, last = (tuple(corner.tolist()) for corner in np.rint(box.reshape(2, 2)).astype(int))
    for paint, width in ((INK, style.line + 2 * style.rim), (colour, style.line)):
        cv2.rectangle(canvas, first, last, paint, width)


def _draw_dots(canvas: Image, dots: NDArray[Any], colour: Colour, radius: float, style: _Style) -> None:
    radius = max(radius, 0.7)
    kept = [dot for dot in dots if _drawable(dot)]
    for paint, size in ((INK, radius + min(style.rim, 0.6 * radius)), (colour, radius)):
        for dot in kept:
            x, y = np.rint(dot * 2**_SHIFT).astype(int).tolist()
            cv2.circle(canvas, (x, y), round(size * 2**_SHIFT), paint, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _draw_label(canvas: Image, box: NDArray[Any], text: str, colour: Colour, style: _Style) -> None:
    if not text or not _drawable(box):
        return
    (width, height), baseline = cv2.getTextSize(text, _FONT, style.font, style.stroke)
    pad = max(2, height // 3)
    x1, y1, x2, _ = np.rint(box).astype(int).tolist()
    tab_width, tab_height = width + 2 * pad, height + baseline + pad
    if tab_width > 1.5 * (x2 - x1):  # would hide the faces beside a tiny one
        return
    left = int(np.clip(x1 - style.line // 2, 0, max(0, canvas.shape[1] - tab_width)))
    top = y1 - tab_height if y1 >= tab_height else max(y1, 0)  # inside the box where nothing is above it
    cv2.rectangle(canvas, (left, top), (left + tab_width, top + tab_height), colour, cv2.FILLED)
    origin = (left + pad, top + pad // 2 + height)
    cv2.putText(canvas, text, origin, _FONT, style.font, INK, style.stroke, cv2.LINE_AA)
