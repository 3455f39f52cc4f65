"""Boxes as (n, 4) arrays of x1, y1, x2, y2: areas, overlaps, suppression.

Two conventions exist. By default x2 and y2 are edges, and a box is x2 - x1 wide. With `inclusive=True` they
name the last pixel and it is x2 - x1 + 1 wide: the arithmetic of many published detectors and evaluators,
whose numbers can only be reproduced with it.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceport.ops import native

Floats = NDArray[np.floating[Any]]

BLOCK = 96  # boxes that nms() settles at once: few enough for the cache, enough to keep Python out of it


def area(boxes: Floats, inclusive: bool = False) -> Floats:
    """Return the area of each box: (..., 4) -> (...)."""
    extra = int(inclusive)
    return (boxes[..., 2] - boxes[..., 0] + extra) * (boxes[..., 3] - boxes[..., 1] + extra)


def clip(boxes: Floats, height: int, width: int) -> Floats:
    """Cut boxes off at the borders of a picture: (..., 4) -> (..., 4)."""
    return np.clip(boxes, 0, np.asarray((width, height, width, height), boxes.dtype))


def iou(a: Floats, b: Floats, inclusive: bool = False) -> Floats:
    """Return intersection over union, pair by pair; 0 for boxes without area: (n, 4), (m, 4) -> (n, m)."""
    return np.nan_to_num(_overlap(_columns(a, inclusive), _columns(b, inclusive), inclusive, "union"))


def nms(
    boxes: Floats,
    scores: Floats,
    threshold: float,
    *,
    inclusive: bool = False,
    over: Literal["union", "smaller"] = "union",
) -> NDArray[np.intp]:
    """Keep the best of boxes that overlap by more than `threshold`: (n, 4), (n,) -> positions, best first.

    Exactly the greedy algorithm (of equal scores the earlier box wins), a block of boxes at a time: a block
    is settled within itself, then what is left of it suppresses what comes after, so that the work shrinks
    with every block. `over` says what an intersection is divided by: the union, or the smaller area.
    """
    order = np.argsort(-scores, kind="stable")
    rest = _columns(boxes[order], inclusive)
    if native.kernels and rest.dtype == np.float32:
        kept: NDArray[np.bool_] = native.kernels.kept(rest, threshold, inclusive, over == "smaller")
        return order[kept]
    survivors = []
    while order.size:
        block, rest = rest[:, :BLOCK], rest[:, BLOCK:]
        earlier_suppresses = np.triu(_overlap(block, block, inclusive, over) > threshold, k=1)
        alive = np.flatnonzero(_survivors(earlier_suppresses))
        survivors.append(order[alive])
        free = ~(_overlap(block[:, alive], rest, inclusive, over) > threshold).any(axis=0)
        order, rest = order[BLOCK:][free], rest[:, free]
    return np.concatenate(survivors) if survivors else np.empty(0, np.intp)


def _survivors(suppresses: NDArray[np.bool_]) -> NDArray[np.bool_]:
    # A box survives if no survivor before it suppresses it. Starting from all of them and applying that rule
    # until nothing changes makes at least one more box final each time; a handful of rounds in practice.
    alive: NDArray[np.bool_] = np.ones(len(suppresses), np.bool_)
    while True:
        survivors = np.logical_not(suppresses[alive].any(axis=0))
        if np.array_equal(survivors, alive):
            return alive
        alive = survivors


def _columns(boxes: Floats, inclusive: bool) -> Floats:
    # (5, n): x1, y1, x2, y2, area; rows of memory that the pairwise arithmetic below streams through
    boxes = np.asarray(boxes, np.result_type(boxes, np.float32))
    return np.concatenate((boxes.T, area(boxes, inclusive)[None]))


def _overlap(a: Floats, b: Floats, inclusive: bool, over: Literal["union", "smaller"]) -> Floats:
    # Columns (5, n) and (5, m) to (n, m). In place wherever possible: memory traffic is all that this costs.
    inter = _extent(a[0], b[0], a[2], b[2], inclusive)
    inter *= _extent(a[1], b[1], a[3], b[3], inclusive)
    if over == "union":
        whole = np.add(a[4, :, None], b[4])
        whole -= inter
    else:
        whole = np.minimum(a[4, :, None], b[4])
    with np.errstate(invalid="ignore"):  # not a number where neither box has an area
        inter /= whole
    return inter


def _extent(a_low: Floats, b_low: Floats, a_high: Floats, b_high: Floats, inclusive: bool) -> Floats:
    extent = np.minimum(a_high[:, None], b_high)
    extent -= np.maximum(a_low[:, None], b_low)
    if inclusive:
        extent += 1
    return np.maximum(extent, 0, out=extent)
