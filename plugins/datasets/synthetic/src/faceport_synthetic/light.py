"""Lights a painted head as the egg that it is, with the hollows and ridges of a face."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.types import Image
from faceport_synthetic import geometry as g
from faceport_synthetic import hair
from faceport_synthetic.canvas import Canvas
from faceport_synthetic.geometry import Points
from faceport_synthetic.people import Face

GRID = 72  # light is smooth: it is computed on so many cells in each direction, and enlarged
NEUTRAL = 128
SHADOW, SHINE = (38, 26, 24), (214, 208, 200)


def shade(canvas: Canvas, face: Face) -> None:
    """Make the head lighter and darker where it faces the lamp and turns away."""
    edge = hair.outline(face)
    body = np.concatenate([edge, face.head.skin, *face.head.ears])
    placed = canvas.place(body)
    margin = 2 + np.ptp(placed, axis=0) / 20  # the light fades to NEUTRAL within it
    low = np.floor(placed.min(axis=0) - margin).astype(int)
    high = np.ceil(placed.max(axis=0) + margin).astype(int)
    height, width = canvas.image.shape[:2]
    x1, y1 = np.maximum(low, 0).tolist()
    x2, y2 = np.minimum(high, (width, height)).tolist()
    if x1 >= x2 or y1 >= y2:
        return
    cell = (high - low) / GRID / canvas.zoom  # pixels of the picture
    corner = (low + canvas.corner + 0.5) / canvas.zoom - 0.5
    chart = light_chart(face, corner, cell, [edge, face.head.skin, *face.head.ears])
    chart = cv2.resize(chart, tuple((high - low).tolist()), interpolation=cv2.INTER_LINEAR)
    part = canvas.image[y1:y2, x1:x2]
    cv2.multiply(
        part, chart[y1 - low[1] : y2 - low[1], x1 - low[0] : x2 - low[0]], dst=part, scale=1 / NEUTRAL
    )


def light_chart(face: Face, corner: NDArray[Any], cell: NDArray[Any], lit: list[Points]) -> Image:
    """Compute the light on a grid over the head: NEUTRAL outside of what is lit."""

    def on_grid(points: Points) -> Points:
        placed: Points = (points - corner) / cell - 0.5
        return placed

    chart = Canvas(_egg(face, on_grid, cell))
    _relief(chart, face, on_grid, face.scale / float(cell[0]))
    mask = np.zeros((GRID, GRID), np.uint8)
    for points in lit:
        cv2.fillPoly(mask, [np.rint(on_grid(points) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    mask = cv2.dilate(mask, np.ones((3, 3), np.uint8))  # fade outside of the head, or its rim would glow
    weight = cv2.blur(mask, (3, 3))[..., None] / np.float32(255)
    bright = chart.image * np.float32(face.view.exposure)
    chart.image[:] = np.clip(NEUTRAL + (bright - NEUTRAL) * weight, 0, 255)
    return chart.image


def _egg(face: Face, on_grid: Any, cell: NDArray[Any]) -> Image:
    """Light an ellipsoid."""
    view = face.view
    middle = on_grid((face.head.landmarks[16] + face.at(face.head.skull[0], 0, -1)) / 2)
    radius = np.array([1.18, 1.5]) * face.scale / cell
    y, x = np.mgrid[:GRID, :GRID]
    right, down = (x - middle[0]) / radius[0], (y - middle[1]) / radius[1]
    towards = np.sqrt(np.clip(1 - right**2 - down**2, 0.02, 1))
    lamp = np.clip(right * view.light[0] + down * view.light[1] + towards * view.light[2], 0, None)
    light = view.ambient + (1.08 - view.ambient) * lamp
    light *= 0.86 + 0.14 * np.minimum(1, 2.2 * towards)  # a little darker where the surface turns away
    egg: Image = np.repeat(np.clip(light * NEUTRAL, 0, 255)[..., None], 3, axis=2).astype(np.uint8)
    return egg


def _relief(chart: Canvas, face: Face, on_grid: Any, unit: float) -> None:
    """Darken hollows and what lies in the nose's shadow, brighten ridges."""
    points, lamp = face.head.landmarks, face.view.light
    bridge, base, lips = points[g.NOSE_BRIDGE], points[g.NOSE_BASE], points[g.OUTER_LIPS]
    side = -1 if lamp[0] > 0 else 1  # of the nose's shadow
    near = points[g.LEFT_EYE][4] if side < 0 else points[g.RIGHT_EYE][0]

    def dim(shape: Points, strength: float, soft: float) -> None:
        chart.fill(on_grid(shape), SHADOW, strength, soft * unit)

    flank = np.stack([*bridge, base[2], base[0 if side < 0 else 4], face.at(bridge[1], 0.2 * side, 0)])
    dim(flank, 0.12 + 0.25 * abs(lamp[0]), 0.05)
    dim(face.ring(0.6 * near + 0.4 * bridge[0], 0.12, 0.14, 12), 0.25, 0.05)
    for eye, brow in ((g.LEFT_EYE, g.LEFT_BROW), (g.RIGHT_EYE, g.RIGHT_BROW)):
        middle = points[eye].mean(axis=0)
        dim(face.ring((2 * middle + points[brow].mean(axis=0)) / 3, 0.3, 0.13, 12), 0.2, 0.06)
        dim(face.ring(face.at(middle, 0, 0.15), 0.2, 0.04, 12), 0.1, 0.04)
    dim(face.ring(face.at(lips[9], 0, 0.09), 0.2, 0.05, 12), 0.25, 0.05)
    dim(face.ring(face.at(base[2], 0, 0.08), 0.16, 0.05, 12), 0.2, 0.04)
    strength = 0.12 + 0.2 * max(0.0, face.view.expression.smile)
    for wing, corner, outward in ((base[0], lips[0], -1), (base[4], lips[6], 1)):  # folds from nose to mouth
        fold = np.stack([wing, 0.4 * wing + 0.6 * corner, corner])
        chart.line(
            on_grid(face.at(fold, outward * np.array([0.08, 0.11, 0.08]), 0)), SHADOW, 0.05 * unit, strength
        )
    ridge, forehead = bridge[1:3].mean(axis=0), face.at(bridge[0], 0, -0.5)
    for shape in (face.ring(ridge, 0.05, 0.2, 12), face.ring(forehead, 0.35, 0.14, 12)):
        chart.fill(on_grid(shape), SHINE, 0.22, 0.07 * unit)
