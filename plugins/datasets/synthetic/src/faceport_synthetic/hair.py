"""Paints hair: on the skull, on the forehead, brows and beards."""

from __future__ import annotations

import numpy as np

from faceport_synthetic import geometry as g
from faceport_synthetic.canvas import Canvas
from faceport_synthetic.geometry import Points, smooth
from faceport_synthetic.people import Face, darker, mix

SIZES = {
    "short": 1.05,
    "fringe": 1.09,
    "swept": 1.1,
    "long": 1.12,
    "curly": 1.14,
    "bald": 1.0,
}  # of the skull
GLEAM = (255, 238, 210)


def outline(face: Face) -> Points:
    """Outline the skull with its hair."""
    person, skull = face.person, face.head.skull[0]
    size = SIZES[person.style]
    if person.style == "bald":
        return face.ring(skull, size, size, 48)
    size *= 1 + 0.25 * (person.volume - 1)
    ring = face.ring(face.at(skull, 0, -0.04), size, size * 1.04, 48)
    if person.style == "curly":
        curls = 1 + 0.06 * np.abs(np.sin(np.arange(48) * np.pi / 4))
        ring = ring.mean(axis=0) + (ring - ring.mean(axis=0)) * curls[:, None]
    return smooth(ring, steps=2)


def paint_back(canvas: Canvas, face: Face) -> None:
    """Draw long hair as far as it falls behind the head."""
    if face.person.style != "long":
        return
    wide = 1.08 * face.person.volume**0.5
    x = np.array([-1, -1.08, -1.1, -0.85, 0, 0.85, 1.1, 1.08, 1]) * wide
    y = np.array([0, 0.8, 1.6, 2.0, 2.05, 2.0, 1.6, 0.8, 0])
    canvas.fill(smooth(face.at(face.head.skull[0], x, y)), darker(face.person.hair, 0.75))


def paint_skull(canvas: Canvas, face: Face) -> None:
    """Draw the skull with its hair; the face comes before it."""
    person, edge = face.person, outline(face)
    if person.style == "bald":
        canvas.fill(edge, darker(person.skin, 0.97))
        return
    canvas.fill(edge, person.hair)
    crown = face.at(face.head.skull[0], 0.1, -0.7)
    _strands(canvas, face, crown + 0.3 * (edge - crown), edge)


def paint_fringe(canvas: Canvas, face: Face) -> None:
    """Draw the hair that falls onto the forehead."""
    top, person = face.head.forehead, face.person
    if person.style == "bald":
        return
    along = np.linspace(-1, 1, len(top))
    length = {
        "short": 0.1 + 0.05 * along**2,
        "fringe": 0.34 + 0.04 * np.sin(along * 22),
        "swept": 0.06 + 0.34 * ((along + 1) / 2) ** 1.3,
        "long": 0.08 + 0.3 * np.abs(along) ** 1.5,
        "curly": 0.15 + 0.06 * np.abs(np.sin(along * 10)),
    }[person.style]
    tips = face.at(top, 0, length * (1 - 0.9 * along**4))
    roots = face.at(top, 0, -0.14)
    canvas.fill(np.concatenate([smooth(tips, closed=False, steps=3), roots[::-1]]), person.hair)
    _strands(canvas, face, smooth(face.at(roots, -0.08, -0.2), False, 3), smooth(tips, False, 3))


def paint_brow(canvas: Canvas, face: Face, points: Points) -> None:
    """Draw a brow with a soft edge."""
    canvas.fill(smooth(points), face.person.brows, 0.88, 0.012 * face.scale)


def paint_beard(canvas: Canvas, face: Face) -> None:
    """Draw beard and moustache over the skin."""
    person, points, amount = face.person, face.head.landmarks, face.person.beard
    if not amount:
        return
    lips, jaw = points[g.OUTER_LIPS].mean(axis=0), points[g.JAW]
    above = face.at(points[g.NOSE_BASE], 0, 0.07)
    hairy = np.concatenate(
        [jaw[5:28], face.at(jaw[26:27], -0.22, 0.05), above[::-1], face.at(jaw[6:7], 0.22, 0.05)]
    )
    with canvas.inside(smooth(face.head.skin, steps=2)) as skin:
        skin.fill(hairy, mix(person.hair, person.skin, 0.2), amount, 0.06 * face.scale)
        skin.fill(face.ring(face.at(lips, 0, 0.02), 0.3, 0.12), person.skin, 0.6, 0.05 * face.scale)


def _strands(canvas: Canvas, face: Face, roots: Points, tips: Points) -> None:
    """Comb dark and light lines from roots to tips."""
    strands = np.stack([roots, tips], axis=1)
    canvas.lines(strands[::2], darker(face.person.hair, 0.6), 0.022 * face.scale, 0.22)
    canvas.lines(strands[1::2], mix(face.person.hair, GLEAM, 0.3), 0.022 * face.scale, 0.22)
