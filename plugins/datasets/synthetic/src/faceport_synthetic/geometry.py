"""A head in three dimensions: 98 landmarks in the order of WFLW, set by a few measures, turned and projected.

One unit is half the width of a mean face (some 70 mm); x points to the viewer's right, y down, z towards the
viewer; the origin lies between the eyes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (..., 2) or (..., 3)

# Where the parts are among the 98 points.
JAW = slice(0, 33)
LEFT_BROW, RIGHT_BROW = slice(33, 42), slice(42, 51)
NOSE_BRIDGE, NOSE_BASE = slice(51, 55), slice(55, 60)
LEFT_EYE, RIGHT_EYE = slice(60, 68), slice(68, 76)  # corner, upper lid, corner, lower lid
OUTER_LIPS, INNER_LIPS = slice(76, 88), slice(88, 96)
LEFT_PUPIL, RIGHT_PUPIL = 96, 97
NOSE_TIP, LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER = 54, 76, 82


@dataclass(frozen=True)
class Shape:
    """Measure what stays the same in all pictures of a person."""

    width: float = 1.0
    jaw: float = 0.0  # < 0 pointed, > 0 square
    chin: float = 1.55
    forehead: float = 0.95
    eye_distance: float = 0.44  # from the middle of the face
    eye_width: float = 0.2
    eye_height: float = 0.086
    eye_tilt: float = 0.0  # > 0: outer corners higher
    brow_height: float = 0.25  # above the eyes
    brow_arch: float = 0.07
    brow_thickness: float = 0.075
    brow_width: float = 0.29
    nose_length: float = 0.64
    nose_width: float = 0.24
    nose_depth: float = 0.4  # of the tip before the face
    mouth: float = 0.36  # share of the way from the nose to the chin
    mouth_width: float = 0.37
    upper_lip: float = 0.085
    lower_lip: float = 0.115


@dataclass(frozen=True)
class Expression:
    """Say what the muscles do; all zero is a neutral face."""

    smile: float = 0.0  # -0.5 .. 1
    mouth_open: float = 0.0  # 0 .. 1
    blink: float = 0.0  # 0 .. 1
    brows: float = 0.0  # -1 drawn down .. 1 raised
    gaze: tuple[float, float] = (0.0, 0.0)  # right and down, -1 .. 1


@dataclass(frozen=True)
class Pose:
    """Turn the head, in degrees: yaw to the viewer's right, pitch down, roll clockwise."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True)
class Head:
    """Hold the points of one head, all (..., 3) before and (..., 2) after the projection."""

    landmarks: Points  # (98, d)
    forehead: Points  # (19, d) hairline, from the viewer's left to the right
    cheeks: Points  # (k, d) what bounds the far side of a turned head
    ears: Points  # (2, 12, d)
    skull: Points  # (1, d) its centre

    def map(self, function: Callable[[Points], Points]) -> Head:
        """Apply a function to every array of points."""
        return Head(**{name: function(value) for name, value in vars(self).items()})

    @property
    def skin(self) -> Points:
        """Outline the face in the picture: the hull of all that is skin."""
        points = np.concatenate([self.landmarks, self.forehead, self.cheeks]).astype(np.float32)
        hull: Points = cv2.convexHull(points)[:, 0].astype(np.float64)
        return hull

    @property
    def five(self) -> Points:
        """Give eyes, nose tip and mouth corners, the viewer's left first."""
        eyes = [self.landmarks[LEFT_EYE].mean(axis=0), self.landmarks[RIGHT_EYE].mean(axis=0)]
        return np.stack([*eyes, *self.landmarks[[NOSE_TIP, LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER]]])


def build_head(shape: Shape, expression: Expression) -> Head:
    """Place every point of a head that looks straight ahead."""
    landmarks = np.concatenate(
        [
            _jaw(shape, expression),
            _brow(shape, expression, -1),
            _brow(shape, expression, 1),
            _nose(shape, expression),
            _eye(shape, expression, -1),
            _eye(shape, expression, 1),
            _mouth(shape, expression),
            _pupils(shape, expression),
        ]
    )
    angle = np.linspace(np.pi, 0, 21)[1:-1]
    forehead = np.stack(
        [
            shape.width * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.8,
            -0.05 - (shape.forehead - 0.05) * np.sin(angle) ** 0.8,
            -0.6 + np.sin(angle) ** 0.8,
        ],
        axis=-1,
    )
    cheeks = np.array([[0.9, 0.25, 0.05], [0.87, -0.3, 0.1], [0.78, 0.6, 0.15], [0.6, 0.95, 0.2]])
    cheeks = np.concatenate([cheeks, cheeks * (-1, 1, 1)]) * (shape.width, 1, 1)
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ear = np.stack([0.13 * np.cos(turn), 0.3 * np.sin(turn) + 0.17, -0.55 - 0.1 * np.cos(turn)], axis=-1)
    ear += np.array([shape.width, 0, 0])
    ears = np.stack([ear * (-1, 1, 1), ear])
    return Head(landmarks, forehead, cheeks, ears, np.array([[0.0, -0.3, -0.35]]))


def project(head: Head, pose: Pose) -> Head:
    """Turn a head and look at it: two dimensions, still in units."""
    yaw, pitch, roll = np.deg2rad([pose.yaw, pose.pitch, pose.roll])
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    cos, sin = np.cos(pitch), np.sin(pitch)
    turn = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]]) @ turn
    cos, sin = np.cos(roll), np.sin(roll)
    tilt = np.array([[cos, -sin], [sin, cos]])

    def look(points: Points) -> Points:
        turned = points @ turn.T
        seen: Points = turned[..., :2] * (1 + 0.08 * turned[..., 2:])  # near things are larger
        return seen

    flat = head.map(look)
    return _follow_contour(flat, pose.yaw).map(lambda points: points @ tilt.T)


def _follow_contour(flat: Head, yaw: float) -> Head:
    """Move the jaw points that a turned head hides to the contour that is seen instead, as annotators do."""
    skin = flat.skin
    landmarks = flat.landmarks.copy()
    side = slice(17, 33) if yaw > 0 else slice(0, 16)
    sign = 1 if yaw > 0 else -1
    ahead, behind = skin, np.roll(skin, -1, axis=0)
    for point in landmarks[side]:
        crosses = (ahead[:, 1] <= point[1]) != (behind[:, 1] <= point[1])
        if crosses.any():
            first, last = ahead[crosses], behind[crosses]
            share = (point[1] - first[:, 1]) / (last[:, 1] - first[:, 1])
            edge = first[:, 0] + share * (last[:, 0] - first[:, 0])
            point[0] = sign * (sign * edge).max()
    return Head(**vars(flat) | {"landmarks": landmarks})


def _jaw(shape: Shape, expression: Expression) -> Points:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 201)
    down = np.cos(angle)
    across = np.sign(angle) * np.abs(np.sin(angle)) ** (1 - 0.15 * shape.jaw)
    x = shape.width * across * (1 - 0.1 * down**2)
    y = -0.05 + (shape.chin + 0.05 + 0.2 * expression.mouth_open) * down
    z = -0.6 + 0.95 * down**1.3
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    even = np.linspace(0, length[-1], 33)
    return np.stack([np.interp(even, length, values) for values in (x, y, z)], axis=-1)


def _brow(shape: Shape, expression: Expression, side: int) -> Points:
    # From the outer tip along the upper edge to the nose, and back along the lower edge.
    along = np.array([1, 0.55, 0.1, -0.4, -0.9, -0.9, -0.4, 0.1, 0.55])
    thick = np.array([0, 0.7, 0.95, 1, 0.9, 0, 0, 0, 0.05])
    x = shape.eye_distance + 0.02 + along * shape.brow_width
    arch = shape.brow_arch * (1 - (along - 0.25) ** 2)
    frown = 0.06 * min(expression.brows, 0) * (along < -0.2)
    y = -shape.brow_height - arch - thick * shape.brow_thickness - 0.07 * expression.brows - frown
    z = 0.48 - 0.25 * np.abs(x) ** 2
    brow = np.stack([side * x, y, z], axis=-1)
    # WFLW runs from the viewer's left to the right on the upper edge of either brow.
    return brow if side < 0 else brow[[4, 3, 2, 1, 0, 8, 7, 6, 5]]


def _nose(shape: Shape, expression: Expression) -> Points:
    length, half = shape.nose_length, shape.nose_width * (1 + 0.08 * expression.smile)
    depth = np.array([0.2, 0.45, 0.75, 1.0])
    y = length * np.array([0.0, 0.27, 0.54, 0.8])
    bridge = np.stack([np.zeros(4), y, 0.4 + shape.nose_depth * depth], axis=-1)
    x = half * np.array([-1, -0.5, 0, 0.5, 1])
    base = length + np.array([-0.06, 0.0, 0.02, 0.0, -0.06])
    z = 0.4 + shape.nose_depth * np.array([0.2, 0.42, 0.5, 0.42, 0.2])
    return np.concatenate([bridge, np.stack([x, base, z], axis=-1)])


def _eye(shape: Shape, expression: Expression, side: int) -> Points:
    across = np.array([-1, -0.5, 0, 0.5, 1, 0.5, 0, -0.5])
    x = side * shape.eye_distance + across * shape.eye_width
    closing = (1 - expression.blink) * (1 - 0.2 * max(expression.smile, 0)) * (1 + 0.2 * expression.brows)
    bow = (1 - across**2) ** 0.75
    upper = shape.eye_height * (closing - 0.35 * (1 - closing))
    lid = np.where(np.arange(8) < 5, -upper, 0.6 * shape.eye_height)
    y = lid * bow - side * across * shape.eye_tilt
    return np.stack([x, y, 0.43 - 0.5 * x**2], axis=-1)


def _pupils(shape: Shape, expression: Expression) -> Points:
    right, down = expression.gaze
    x = np.array([-1, 1]) * shape.eye_distance + 0.35 * shape.eye_width * right
    y = np.full(2, -0.15 * shape.eye_height + 0.3 * shape.eye_height * down)
    return np.stack([x, y, 0.43 - 0.5 * x**2], axis=-1)


def _mouth(shape: Shape, expression: Expression) -> Points:
    smile, gap = expression.smile, 0.34 * expression.mouth_open
    middle = shape.nose_length + shape.mouth * (shape.chin - shape.nose_length)
    half = shape.mouth_width * (1 + 0.22 * smile - 0.12 * expression.mouth_open)
    thin = 1 - 0.25 * max(smile, 0)
    # Lifted corners, a drop that shrinks towards the middle.
    across = np.array([-1, -0.62, -0.2, 0, 0.2, 0.62, 1, 0.66, 0.3, 0, -0.3, -0.66])
    upper = -shape.upper_lip * thin * np.array([0, 0.62, 1, 0.84, 1, 0.62, 0])
    lower = gap + shape.lower_lip * thin * np.array([0.68, 0.95, 1, 0.95, 0.68])
    lower = lower - gap * np.array([0.35, 0.06, 0, 0.06, 0.35])
    outer = np.concatenate([upper, lower])
    inside = np.array([-0.9, -0.5, 0, 0.5, 0.9, 0.5, 0, -0.5])
    inner = np.array([0, -0.01, 0.0, -0.01, 0, 0.75 * gap + 0.012, gap + 0.014, 0.75 * gap + 0.012])
    x = np.concatenate([across, inside]) * half
    y = middle + np.concatenate([outer, inner]) - 0.1 * smile * (x / half) ** 2
    z = 0.62 - 0.25 * (x / half) ** 2
    return np.stack([x, y, z], axis=-1)


@lru_cache(maxsize=64)
def _spline(count: int, closed: bool, steps: int) -> NDArray[Any]:
    """Make the matrix that takes points to a Catmull-Rom curve through them."""
    spans = count if closed else count - 1
    share = np.arange(steps) / steps
    weights = 0.5 * np.stack(
        [
            -share + 2 * share**2 - share**3,
            2 - 5 * share**2 + 3 * share**3,
            share + 4 * share**2 - 3 * share**3,
            -(share**2) + share**3,
        ],
        axis=-1,
    )
    matrix = np.zeros((spans * steps + (not closed), count))
    for span in range(spans):
        for offset in range(4):
            point = span + offset - 1
            point = point % count if closed else min(max(point, 0), count - 1)
            matrix[span * steps : (span + 1) * steps, point] += weights[:, offset]
    if not closed:
        matrix[-1, -1] = 1
    return matrix


def smooth(points: Points, closed: bool = True, steps: int = 4) -> Points:
    """Draw a smooth curve through points."""
    curve: Points = _spline(len(points), closed, steps) @ points
    return curve
