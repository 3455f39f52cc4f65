"""Paints one person: eyes, nose and mouth here, hair, light and what people wear in the files beside."""

from __future__ import annotations

import numpy as np

from faceport.types import Image
from faceport_synthetic import geometry as g
from faceport_synthetic import hair, props
from faceport_synthetic.canvas import Canvas
from faceport_synthetic.geometry import Points, smooth
from faceport_synthetic.light import shade
from faceport_synthetic.people import Face, darker, mix

FINE = 150  # pixels across a head below which it is painted enlarged, so that thin lines stay lines
WHITE = (255, 255, 255)


def paint_face(image: Image, face: Face) -> None:
    """Paint one person onto a picture."""
    canvas = Canvas(image)
    hair.paint_back(canvas, face)
    props.paint_body(canvas, face)
    (x, y), reach = face.centre, 2.5 * face.scale
    box = (int(x - reach), int(y - reach), int(x + reach), int(y + reach))
    zoom = max(1, int(np.ceil(FINE / (2 * face.scale))))
    with canvas.enlarged(box, zoom) as part:
        if part.image.size:
            _paint_head(part, face)


def _paint_head(canvas: Canvas, face: Face) -> None:
    """Work from the back to the front."""
    points = face.head.landmarks
    hair.paint_skull(canvas, face)
    _ears(canvas, face)
    canvas.fill(smooth(face.head.skin, steps=2), face.person.skin)
    hair.paint_beard(canvas, face)
    _cheeks(canvas, face)
    for brow in (g.LEFT_BROW, g.RIGHT_BROW):
        hair.paint_brow(canvas, face, points[brow])
    for eye, pupil in ((g.LEFT_EYE, g.LEFT_PUPIL), (g.RIGHT_EYE, g.RIGHT_PUPIL)):
        _eye(canvas, face, points[eye], points[pupil])
    _nose(canvas, face)
    _mouth(canvas, face)
    _moles(canvas, face)
    hair.paint_fringe(canvas, face)
    if face.person.glasses and face.view.occluder != "sunglasses":
        props.paint_glasses(canvas, face, dark=False)
    shade(canvas, face)
    props.paint_occluder(canvas, face)


def _ears(canvas: Canvas, face: Face) -> None:
    """Paint both ears; the face will cover the far one."""
    if face.person.style == "long":
        return
    skin = face.person.skin
    for ear in face.head.ears:
        canvas.fill(smooth(ear), darker(skin, 0.9))
        hollow = ear.mean(axis=0) + (ear - ear.mean(axis=0)) * 0.55
        canvas.fill(smooth(hollow), darker(skin, 0.68), 0.7, 0.02 * face.scale)


def _cheeks(canvas: Canvas, face: Face) -> None:
    """Redden the cheeks."""
    turned = np.sin(np.deg2rad(face.view.pose.yaw))
    colour, strength = mix(face.person.skin, (214, 84, 84), 0.5), 0.5 if face.view.makeup else 0.22
    for eye, side in ((g.LEFT_EYE, -1), (g.RIGHT_EYE, 1)):
        if side * turned < 0.3:  # the far cheek is out of sight
            place = face.at(face.head.landmarks[eye].mean(axis=0), 0.1 * side - 0.2 * turned, 0.42)
            canvas.fill(face.ring(place, 0.2, 0.13, 16), colour, strength, 0.09 * face.scale)


def _eye(canvas: Canvas, face: Face, lids: Points, pupil: Points) -> None:
    """Paint the white, the iris in it, lids and lashes."""
    unit, person, makeup = face.scale, face.person, face.view.makeup
    outline = smooth(lids)
    upper, lower = smooth(lids[:5], closed=False), smooth(lids[[4, 5, 6, 7, 0]], closed=False)
    narrow = 1 - 0.5 * float(np.sin(np.deg2rad(face.view.pose.yaw))) ** 2
    if makeup:
        canvas.fill(smooth(face.at(lids, 0, -0.06)), (96, 62, 110), 0.6, 0.035 * unit)
    with canvas.inside(outline) as eye:
        eye.fill(outline, (236, 232, 226))
        for radius, colour in ((0.1, darker(person.eyes, 0.5)), (0.082, person.eyes), (0.043, (16, 14, 14))):
            eye.fill(face.ring(pupil, radius * narrow, radius), colour)
        eye.line(face.at(upper, 0, 0.025), (90, 80, 78), 0.05 * unit, 0.5)  # the shadow of the lid
        eye.fill(face.ring(face.at(pupil, 0.03, -0.035), 0.018, 0.018, 12), WHITE)
    canvas.line(lower, darker(person.skin, 0.6), 0.014 * unit, 0.8)
    canvas.line(upper, darker(person.brows, 0.45), (0.05 if makeup else 0.034) * unit)
    canvas.line(face.at(upper, 0, -0.065), darker(person.skin, 0.62), 0.016 * unit, 0.7)


def _nose(canvas: Canvas, face: Face) -> None:
    """Paint wings and nostrils; light does the rest."""
    base, tip, unit = face.head.landmarks[g.NOSE_BASE], face.head.landmarks[g.NOSE_TIP], face.scale
    dark = darker(face.person.skin, 0.52)
    for side, wing, inner in ((-1, base[0], base[1]), (1, base[4], base[3])):
        above = face.at(wing, np.array([-0.04, 0.02]) * side, [-0.15, -0.07])
        curve = np.stack([*above, wing, face.at(inner, 0.03 * side, 0)])
        canvas.line(smooth(curve, closed=False), dark, 0.02 * unit, 0.55)
        nostril = face.ring(face.at(inner, 0.02 * side, -0.02), 0.062, 0.03, 16)
        canvas.fill(nostril, darker(dark, 0.6), 0.85, 0.008 * unit)
    canvas.line(smooth(base[1:4], closed=False), dark, 0.018 * unit, 0.5)
    gleam = face.ring(face.at(tip, 0, -0.02), 0.06, 0.05, 16)
    canvas.fill(gleam, mix(face.person.skin, WHITE, 0.45), 0.45, 0.035 * unit)


def _mouth(canvas: Canvas, face: Face) -> None:
    """Paint lips, and teeth and tongue where the mouth is open."""
    outer, inner, unit = face.head.landmarks[g.OUTER_LIPS], face.head.landmarks[g.INNER_LIPS], face.scale
    lips = mix(face.person.lips, (176, 24, 52), 0.65) if face.view.makeup else face.person.lips
    canvas.fill(smooth(outer), lips, 0.95, 0.006 * unit)
    canvas.fill(np.concatenate([outer[:7], inner[4::-1]]), darker(lips, 0.85), 0.8, 0.012 * unit)
    gap = float(np.linalg.norm(inner[6] - inner[2])) / unit
    if gap > 0.05:
        with canvas.inside(smooth(inner)) as mouth:
            mouth.fill(smooth(inner), (52, 20, 22))
            teeth = np.concatenate([inner[:5], face.at(inner[4::-1], 0, min(0.12, 0.6 * gap))])
            mouth.fill(face.at(teeth, 0, 0.012), (238, 232, 220))
            mouth.fill(
                face.ring(face.at(inner[6], 0, 0.02), 0.17, 0.5 * gap), (168, 74, 76), 0.8, 0.03 * unit
            )
    else:
        crease = np.stack([outer[0], *(inner[1:4] + inner[7:4:-1]) / 2, outer[6]])
        canvas.line(smooth(crease, closed=False), darker(lips, 0.42), 0.024 * unit)
    gleam = face.ring(face.at(outer[9], 0, -0.055), 0.1, 0.02, 16)
    canvas.fill(gleam, mix(lips, WHITE, 0.5), 0.45, 0.02 * unit)


def _moles(canvas: Canvas, face: Face) -> None:
    """Paint moles where this person has them."""
    points = face.head.landmarks
    for right, down in face.person.moles:
        wing, cheek = (points[55], points[5]) if right < 0 else (points[59], points[27])
        place = wing + (0.25 + 0.5 * abs(right)) * (cheek - wing)
        canvas.fill(face.ring(face.at(place, 0, down), 0.022, 0.022, 12), darker(face.person.skin, 0.45), 0.9)
