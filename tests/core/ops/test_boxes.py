from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from faceport.ops import boxes as ops

Floats = NDArray[np.float32]
Over = Literal["union", "smaller"]


def random_boxes(seed: int, count: int, side: float = 300.0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, side, (count, 2))
    boxes = np.concatenate((corners, corners + rng.uniform(1, 90, (count, 2))), axis=1)
    return boxes.astype(np.float32), rng.random(count).astype(np.float32)


def greedy(boxes: Floats, scores: Floats, threshold: float, extra: int, over: Over) -> list[int]:
    """Suppress one box at a time, as the published detectors do."""
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1 + extra) * (y2 - y1 + extra)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + extra
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + extra
        inter = np.maximum(width, 0) * np.maximum(height, 0)
        whole = areas[best] + areas[rest] - inter if over == "union" else np.minimum(areas[best], areas[rest])
        order = rest[inter / whole <= threshold]
    return kept


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("over", ["union", "smaller"])
@pytest.mark.parametrize("count", [1, 2, ops.BLOCK, ops.BLOCK + 1, 700])
def test_nms_is_the_greedy_algorithm(count: int, over: Over, inclusive: bool) -> None:
    for threshold in (0.1, 0.4, 0.7):
        boxes, scores = random_boxes(count, count)
        expected = greedy(boxes, scores, threshold, int(inclusive), over)
        assert ops.nms(boxes, scores, threshold, inclusive=inclusive, over=over).tolist() == expected


def test_nms_settles_a_chain_in_which_each_box_overlaps_the_next() -> None:
    # Every second box survives, and only because the one before it does not.
    left = np.arange(600, dtype=np.float32) * 5
    boxes = np.stack((left, 0 * left, left + 10, 0 * left + 10), axis=1)
    kept = ops.nms(boxes, np.linspace(1, 0, 600, dtype=np.float32), 0.3)
    assert kept.tolist() == list(range(0, 600, 2))


def test_nms_prefers_the_earlier_of_equal_scores() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    assert ops.nms(boxes, np.full(3, 0.5, np.float32), 0.5).tolist() == [0, 2]


def test_nms_of_nothing_is_nothing() -> None:
    assert ops.nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.5).shape == (0,)


def test_nms_keeps_boxes_without_area() -> None:
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5]], np.float32)
    assert ops.nms(boxes, np.array([0.9, 0.8], np.float32), 0.5).tolist() == [0, 1]


def test_iou_by_hand() -> None:
    a = np.array([[0, 0, 10, 10], [20, 20, 20, 20]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [20, 20, 20, 20]], np.float32)
    expected = np.array([[1, 1 / 3, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(ops.iou(a, b), expected, rtol=1e-6)
    np.testing.assert_allclose(ops.iou(a[:1], b[2:3], inclusive=True), [[11 / 231]], rtol=1e-6)


def test_iou_takes_whole_numbers() -> None:
    np.testing.assert_allclose(ops.iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2]])), [[1 / 3]])


def test_area_counts_the_last_pixel_when_told_to() -> None:
    boxes = np.array([[0, 0, 3, 1]])
    assert ops.area(boxes).tolist() == [3]
    assert ops.area(boxes, inclusive=True).tolist() == [8]


def test_clip_cuts_at_the_borders() -> None:
    boxes = np.array([[-5, -1, 30, 30], [2, 3, 4, 5]], np.float32)
    assert ops.clip(boxes, height=20, width=10).tolist() == [[0, 0, 10, 20], [2, 3, 4, 5]]
