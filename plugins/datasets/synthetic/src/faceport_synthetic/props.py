"""Paints what people wear, and what hides a part of their faces."""

from __future__ import annotations

import numpy as np

from faceport_synthetic import geometry as g
from faceport_synthetic.canvas import Canvas
from faceport_synthetic.geometry import Points, smooth
from faceport_synthetic.people import Face, darker, mix

# Half of a shirt's outline below the chin, in units: from the collar over the shoulder to the sleeve.
SHIRT = np.array([[0.0, 0.5], [0.3, 0.43], [0.58, 0.2], [1.4, 0.48], [1.9, 0.8], [2.2, 1.9], [2.3, 4.5]])


def paint_body(canvas: Canvas, face: Face) -> None:
    """Draw neck and shoulders, which do not turn with the head."""
    points, unit = face.head.landmarks, face.scale
    light = min(1.0, face.view.exposure * (0.35 + face.view.ambient))
    skin, cloth = darker(face.person.skin, light), darker(face.view.clothes, light)
    jaw, chin = points[[7, 25]], points[16]
    base = np.array([0.6 * jaw[:, 0].mean() + 0.4 * chin[0], chin[1]])
    neck = np.concatenate([jaw, base + unit * np.array([[0.6, 0.5], [-0.6, 0.5]])])
    canvas.fill(neck, darker(skin, 0.8))
    shadow = points[6:27] + np.array([0, 0.08 * unit])
    canvas.fill(shadow, darker(skin, 0.55), 0.7, 0.08 * unit)
    shirt = np.concatenate([SHIRT[::-1] * (-1, 1), SHIRT[1:]])
    hem = np.array([[2.3, 20], [-2.3, 20]])  # below any picture
    canvas.fill(base + unit * np.concatenate([smooth(shirt, closed=False), hem]), cloth)
    for side in (-1, 1):  # sleeves
        sleeve = base + unit * np.array([[1.25 * side, 1.15], [1.33 * side, 2.2], [1.3 * side, 6.0]])
        canvas.line(smooth(sleeve, closed=False), darker(cloth, 0.7), 0.05 * unit, 0.7)
    collar = base + unit * shirt[4:9]
    canvas.line(smooth(collar, closed=False), darker(cloth, 0.75), 0.06 * unit)


def paint_glasses(canvas: Canvas, face: Face, dark: bool) -> None:
    """Draw glasses, clear or dark."""
    points, ears = face.head.landmarks, face.head.ears
    frames = [_lens(face, points[eye], dark) for eye in (g.LEFT_EYE, g.RIGHT_EYE)]
    colour, width = ((24, 22, 24) if dark else (44, 36, 34)), 0.035 * face.scale
    for lens in frames:
        if dark:
            canvas.fill(lens, (26, 26, 32), 0.96)
        canvas.line(np.concatenate([lens, lens[:1]]), colour, width)
    half = len(frames[0]) // 2  # a lens begins at its right end
    canvas.line(smooth(np.stack([frames[0][0], points[51], frames[1][half]]), closed=False), colour, width)
    for end, ear in ((frames[0][half], ears[0]), (frames[1][0], ears[1])):
        canvas.line(np.stack([end, face.at(ear.mean(axis=0), 0, -0.1)]), colour, width)


def _lens(face: Face, lids: Points, dark: bool) -> Points:
    width = 0.6 * float(np.linalg.norm(lids[4] - lids[0])) / face.scale + 0.11
    return smooth(face.ring(face.at(lids.mean(axis=0), 0, 0.03), width, 0.25 if dark else 0.22, 20), steps=2)


def paint_occluder(canvas: Canvas, face: Face) -> None:
    """Draw what hides a part of the face."""
    painters = {"sunglasses": _sunglasses, "mask": _mask, "hand": _hand, "board": _board}
    if face.view.occluder:
        painters[face.view.occluder](canvas, face)


def _sunglasses(canvas: Canvas, face: Face) -> None:
    paint_glasses(canvas, face, dark=True)


def _mask(canvas: Canvas, face: Face) -> None:
    points = face.head.landmarks
    jaw, bridge = points[g.JAW], points[52]
    cloth = mix(face.view.clothes, (206, 226, 236), 0.75)
    canvas.fill(np.concatenate([jaw[4:29], face.at(bridge, [0.2, 0, -0.2], [0.1, 0, 0.1])]), cloth)
    for drop in (0.75, 0.91, 1.07):
        pleat = np.stack([jaw[6], face.at(points[51], 0, drop), jaw[26]])
        canvas.line(smooth(pleat, closed=False), darker(cloth, 0.85), 0.02 * face.scale)


def _hand(canvas: Canvas, face: Face) -> None:
    side = 1 if face.view.light[0] > 0 else -1
    corner = face.head.landmarks[g.LEFT_MOUTH_CORNER if side < 0 else g.RIGHT_MOUTH_CORNER]
    palm, skin = face.at(corner, 0.25 * side, 0.5), darker(face.person.skin, 0.93)
    canvas.fill(smooth(face.at(palm, [-0.42, 0.42, 0.55, 0.45, -0.4], [-0.2, -0.2, 0.5, 2.8, 2.8])), skin)
    for finger, length in enumerate((0.85, 1.0, 0.95, 0.75)):
        root = face.at(palm, -0.33 + 0.22 * finger, 0)
        bone = np.stack([root, face.at(root, (0.05 * finger - 0.1) * side, -length)])
        canvas.line(bone, darker(skin, 0.7), 0.25 * face.scale)
        canvas.line(bone, skin, 0.2 * face.scale)


def _board(canvas: Canvas, face: Face) -> None:
    middle = face.at(face.head.landmarks[g.NOSE_TIP], 0, 0.75)
    board = face.at(middle, [-1.5, 1.6, 1.4, -1.6], [-0.45, -0.3, 2.2, 2.2])
    canvas.fill(board, mix(face.view.clothes, (214, 196, 160), 0.7))
    canvas.line(board[:2], darker(face.view.clothes, 0.8), 0.04 * face.scale)
