"""What is known of the published sets of landmarks: mirror images, eyes, how to read one set as another.

A set goes by its number of points: 5 (eyes, nose, corners of the mouth), 12 (the eyes of the 68), 19 (AFLW),
29 (COFW), 68 (300-W), 98 (WFLW), 106 (LaPa).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faceport.errors import FaceportError

Points = NDArray[np.intp]
Eyes = tuple[Sequence[int], Sequence[int]]  # the viewer's left, right: points whose mean it is


def _runs(*ends: tuple[int, int]) -> Points:
    """Write out runs of positions, upwards or downwards, both ends included."""
    return np.concatenate([np.arange(a, b + 1) if a <= b else np.arange(a, b - 1, -1) for a, b in ends])


# Point i of a mirrored face is point FLIPS[k][i] of the original.
FLIPS: dict[int, Points] = {
    5: _runs((1, 0), (2, 2), (4, 3)),
    12: _runs((9, 6), (11, 10), (3, 0), (5, 4)),
    19: _runs((5, 0), (11, 6), (14, 12), (17, 15), (18, 18)),
    29: np.array(
        [1, 0, 3, 2, 6, 7, 4, 5, 9, 8, 11, 10, 14, 15, 12, 13, 17, 16, 19, 18, 20, 21, 23, 22, *range(24, 29)]
    ),
    68: np.concatenate(
        [
            _runs((16, 0), (26, 17), (27, 30), (35, 31)),  # jaw, brows, nose
            _runs((45, 42), (47, 46), (39, 36), (41, 40)),  # eyes
            _runs((54, 48), (59, 55), (64, 60), (67, 65)),  # mouth
        ]
    ),
    98: np.concatenate(
        [
            _runs((32, 0), (46, 42), (50, 47), (37, 33), (41, 38), (51, 54), (59, 55)),
            _runs((72, 68), (75, 73), (64, 60), (67, 65)),
            _runs((82, 76), (87, 83), (92, 88), (95, 93), (97, 96)),
        ]
    ),
    106: np.concatenate(
        [
            _runs((32, 0), (46, 42), (50, 47), (37, 33), (41, 38), (51, 54), (65, 55)),
            _runs((79, 75), (82, 80), (83, 83), (70, 66), (73, 71), (74, 74)),
            _runs((90, 84), (95, 91), (100, 96), (103, 101), (105, 104)),
        ]
    ),
}

OUTER_CORNERS: dict[int, Eyes] = {
    5: ([0], [1]),  # the centres are all there is
    12: ([0], [9]),
    19: ([6], [11]),
    29: ([8], [9]),
    68: ([36], [45]),
    98: ([60], [72]),
    106: ([66], [79]),
}

PUPILS: dict[int, Eyes] = {
    5: ([0], [1]),
    12: (range(6), range(6, 12)),  # sets without pupils take the mean of the eye's outline, as is the custom
    19: ([7], [10]),
    29: ([16], [17]),
    68: (range(36, 42), range(42, 48)),
    98: ([96], [97]),
    106: ([104], [105]),
}

# Point i of the second set is point CONVERSIONS[first, second][i] of the first.
CONVERSIONS: dict[tuple[int, int], Points] = {
    (68, 12): _runs((36, 47)),
    (98, 68): np.concatenate(
        [
            np.arange(0, 33, 2),
            _runs((33, 37), (42, 46), (51, 59)),
            [60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75],
            _runs((76, 95)),
        ]
    ),
}
CONVERSIONS[98, 12] = CONVERSIONS[98, 68][CONVERSIONS[68, 12]]


def neighbours(mean_face: NDArray[np.floating], count: int) -> Points:
    """Find the nearest other landmarks of each: (k, 2) -> (k, count)."""
    distances = np.square(mean_face[:, None] - mean_face).sum(axis=-1)
    return np.argsort(distances, axis=1, kind="stable")[:, 1 : count + 1]


def flip(landmarks: NDArray[np.floating], width: float) -> NDArray[np.floating]:
    """Mirror landmarks (n, k, 2) with their picture: its column 0 becomes column width - 1."""
    mirrored = landmarks[:, FLIPS[landmarks.shape[1]]].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored


def convert(landmarks: NDArray[np.floating], points: int) -> NDArray[np.floating]:
    """Read landmarks (n, k, 2) as a set of fewer points."""
    have = landmarks.shape[1]
    if have == points:
        return landmarks
    if (have, points) not in CONVERSIONS:
        conversions = ", ".join(f"{a} to {b}" for a, b in CONVERSIONS)
        raise FaceportError(f"{have} landmarks cannot be read as {points}; what can be: {conversions}")
    return landmarks[:, CONVERSIONS[have, points]]


def eye_distance(landmarks: NDArray[np.floating], eyes: dict[int, Eyes]) -> NDArray[np.float64]:
    """Measure from the left to the right eye, by OUTER_CORNERS or PUPILS: (n, k, 2) -> (n,)."""
    points = landmarks.shape[1]
    if points not in eyes:
        raise FaceportError(f"where the eyes are is known for {sorted(eyes)} landmarks, not for {points}")
    left, right = (landmarks[:, list(eye)].astype(np.float64).mean(axis=1) for eye in eyes[points])
    distance: NDArray[np.float64] = np.linalg.norm(left - right, axis=1)
    return distance
