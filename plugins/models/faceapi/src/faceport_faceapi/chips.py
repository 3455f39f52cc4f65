"""How dlib turns faces before it recognises them: eyes, nose and upper lip come to those of a mean face."""

from __future__ import annotations

import numpy as np

from faceport.ops.cutting import similarity, warp
from faceport.types import Array, Image

SIDE = 150  # pixels of a chip
BORDER = 0.25  # of the mean face's width, around it

# Points 27 to 54 and 60 to 64 of the 68, in shares of the mean face (http://dlib.net): brows, jaw and lower
# lip move too much with what a face does.
NUMBERS = np.array([*range(27, 55), *range(60, 65)])
MEAN_FACE = np.array(
    [
        *((0.490127, 0.203352), (0.490127, 0.307009), (0.490127, 0.409805), (0.490127, 0.515625)),
        *((0.36688, 0.587326), (0.426036, 0.609345), (0.490127, 0.628106), (0.554217, 0.609345)),
        (0.613373, 0.587326),
        *((0.121737, 0.216423), (0.187122, 0.178758), (0.265825, 0.179852), (0.334606, 0.231733)),
        *((0.260918, 0.245099), (0.182743, 0.244077), (0.645647, 0.231733), (0.714428, 0.179852)),
        *((0.793132, 0.178758), (0.858516, 0.216423), (0.79751, 0.244077), (0.719335, 0.245099)),
        *((0.254149, 0.780233), (0.340985, 0.745405), (0.428858, 0.727388), (0.490127, 0.742578)),
        *((0.551395, 0.727388), (0.639268, 0.745405), (0.726104, 0.780233)),
        *((0.290379, 0.784792), (0.428096, 0.778746), (0.490127, 0.785343), (0.552157, 0.778746)),
        (0.689874, 0.784792),
    ]
)
PLACES = (MEAN_FACE + BORDER) / (1 + 2 * BORDER) * SIDE  # (33, 2) pixels of a chip
# Eyes (the mean of six points each), tip of the nose, corners of the mouth: what detectors give.
FIVE = np.stack([PLACES[9:15].mean(0), PLACES[15:21].mean(0), PLACES[3], PLACES[21], PLACES[27]])


def chip_by_landmarks(image: Image, landmarks: Array) -> Image:
    """Cut out a face by its landmarks, (68, 2)."""
    return warp(image, similarity(landmarks[NUMBERS].astype(np.float64), PLACES), SIDE)


def chip_by_points(image: Image, points: Array) -> Image:
    """Cut out a face by its five points, (5, 2)."""
    return warp(image, similarity(points.astype(np.float64), FIVE), SIDE)
