"""The three stages of MTCNN between its networks, as pure functions; the arithmetic of facenet-pytorch.

Boxes are (n, 4) float32: x1, y1, x2, y2 in pixels. The first stage measures x2 - x1, the others x2 - x1 + 1.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceport.ops.boxes import area, nms

Floats = NDArray[np.float32]
Ints = NDArray[np.integer]

Selection = Literal["keep_all", "largest", "largest_over_threshold", "probability", "center_weighted"]

WINDOW = 12  # pixels that P-Net looks at
STRIDE = 2  # of P-Net's maps
CONFIDENT = 0.9  # what "largest_over_threshold" asks of a face
CENTER_WEIGHT = 2.0  # squared pixels off the centre against pixels of area


@dataclass(frozen=True)
class Level:
    """One size of the picture in the pyramid."""

    scale: float
    height: int
    width: int


def pyramid(height: int, width: int, min_face_size: int, factor: float) -> list[Level]:
    """List the sizes at which P-Net's window covers faces from `min_face_size` up to the whole picture."""
    levels = []
    scale = WINDOW / min_face_size
    shortest = min(height, width) * scale
    while shortest >= WINDOW:
        levels.append(Level(scale, int(height * scale + 1), int(width * scale + 1)))
        scale *= factor
        shortest *= factor
    return levels


def propose(offsets: Floats, probabilities: Floats, scale: float, threshold: float) -> Floats:
    """Turn maps of one level, (4, h, w) and (2, h, w), into candidates (n, 9): box, score, offsets."""
    scores = probabilities[1]
    rows, columns = np.nonzero(scores >= threshold)
    corners = np.stack((columns, rows), axis=1).astype(np.float32) * STRIDE
    candidates = np.concatenate(
        (
            np.floor((corners + 1) / np.float32(scale)),
            np.floor((corners + WINDOW) / np.float32(scale)),
            scores[rows, columns, None],
            offsets[:, rows, columns].T,
        ),
        axis=1,
    )
    return candidates[nms(candidates[:, :4], candidates[:, 4], 0.5)]


def merge(levels: list[Floats]) -> Floats:
    """Join the candidates (n, 9) of all levels into square boxes (m, 4)."""
    candidates = np.concatenate(levels)
    candidates = candidates[nms(candidates[:, :4], candidates[:, 4], 0.7)]
    return square(shift(candidates[:, :4], candidates[:, 5:], extra=0))


def refine(boxes: Floats, offsets: Floats, probabilities: Floats, threshold: float) -> Floats:
    """Keep what R-Net believes to be faces, n boxes, and square the corrected boxes (m, 4)."""
    scores = probabilities[:, 1]
    sure = np.flatnonzero(scores > threshold)
    sure = sure[nms(boxes[sure], scores[sure], 0.7)]
    return square(shift(boxes[sure], offsets[sure]))


def decide(
    boxes: Floats, offsets: Floats, points: Floats, probabilities: Floats, threshold: float
) -> tuple[Floats, Floats, Floats]:
    """Keep what O-Net believes to be faces: boxes (m, 4), scores (m,) and points (m, 5, 2), largest first."""
    scores = probabilities[:, 1]
    sure = np.flatnonzero(scores > threshold)
    boxes, scores = boxes[sure], scores[sure]
    sides = boxes[:, None, 2:] - boxes[:, None, :2] + 1
    placed = boxes[:, None, :2] + points[sure].reshape(-1, 2, 5).swapaxes(1, 2) * sides - 1
    boxes = shift(boxes, offsets[sure])
    kept = nms(boxes, scores, 0.7, inclusive=True, over="smaller")
    kept = kept[np.argsort(-area(boxes[kept]), kind="stable")]
    return boxes[kept], scores[kept], placed[kept]


def shift(boxes: Floats, offsets: Floats, extra: int = 1) -> Floats:
    """Move each side by a fraction of the width or height of its box."""
    sides = boxes[:, 2:] - boxes[:, :2] + extra
    return boxes + offsets * np.tile(sides, 2)


def square(boxes: Floats) -> Floats:
    """Grow the shorter side about the centre."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True, initial=0)
    corner = boxes[:, :2] + sides * np.float32(0.5) - longest * np.float32(0.5)
    return np.concatenate((corner, corner + longest), axis=1)


def regions(boxes: Floats, height: int, width: int) -> tuple[Floats, Ints]:
    """Leave out boxes beyond the picture, and return the pixels of the others: (n, 4), ends exclusive."""
    pixels = boxes.astype(np.int64)  # truncated towards zero
    pixels[:, :2] = np.maximum(pixels[:, :2], 1) - 1
    pixels[:, 2:] = np.minimum(pixels[:, 2:], (width, height))
    shown = (pixels[:, 2:] > pixels[:, :2]).all(axis=1)
    return boxes[shown], pixels[shown]


def select(boxes: Floats, scores: Floats, rule: Selection, height: int, width: int) -> NDArray[np.intp]:
    """Choose faces: all of them, or the best by a rule. Return positions, at most one unless all are kept."""
    everything = np.arange(len(boxes))
    if rule == "keep_all":
        return everything
    if rule == "largest_over_threshold":
        everything = everything[scores > CONFIDENT]
    if rule == "probability":
        worth = scores
    elif rule == "center_weighted":
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        distance = np.square(centers - np.array((width / 2, height / 2))).sum(axis=1)
        worth = area(boxes) - CENTER_WEIGHT * distance
    else:
        worth = area(boxes)
    best = np.argsort(-worth[everything], kind="stable")[:1]
    return everything[best]
