"""How much faster RetinaFace's work around its network is than the straightforward version of the same.

Both run in turn, in one process and one thread, on the same data, and must agree before they are timed.
Run it with: python benchmarks/retinaface_ops.py [rounds]
"""

import math
import sys
from collections.abc import Callable
from itertools import product
from statistics import median
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.ops.boxes import nms
from faceport.ops.cutting import Placement
from faceport.ops.images import Image, to_batch
from faceport.types import Faces, Tensors
from faceport_retinaface.decode import STRIDES
from faceport_retinaface.model import DEFAULT_ANCHORS, MEAN_BGR, RetinaFace, RetinaFaceOptions

Floats = NDArray[np.float32]
BLOCK = 5


def plain_preprocess(image: Image) -> Floats:
    """Swap the channels, subtract on interleaved floats, transpose."""
    pixels = image[..., ::-1].astype(np.float32) - np.array(MEAN_BGR, np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]


def plain_priors(height: int, width: int) -> Floats:
    """List every anchor in Python loops."""
    rows = []
    for stride, sides in zip(STRIDES, DEFAULT_ANCHORS, strict=True):
        grid = product(range(math.ceil(height / stride)), range(math.ceil(width / stride)))
        for (i, j), side in product(grid, sides):
            centre = ((j + 0.5) * stride / width, (i + 0.5) * stride / height)
            rows.append((*centre, side / width, side / height))
    return np.array(rows, np.float32)


def plain_nms(boxes: Floats, scores: Floats, threshold: float) -> list[int]:
    """Suppress one box at a time."""
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        width = np.maximum(0, np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + 1)
        height = np.maximum(0, np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + 1)
        inter = width * height
        order = rest[inter / (areas[best] + areas[rest] - inter) <= threshold]
    return kept


def plain_postprocess(outputs: Tensors, height: int, width: int, threshold: float) -> Floats:
    """Decode every anchor, then keep what scores and survives: (n, 15) boxes, scores, points."""
    anchors, loc, landms = plain_priors(height, width), outputs["loc"][0], outputs["landms"][0]
    centres = anchors[:, :2] + loc[:, :2] * np.float32(0.1) * anchors[:, 2:]
    sizes = anchors[:, 2:] * np.exp(loc[:, 2:] * np.float32(0.2))
    low = centres - sizes / 2
    boxes = np.concatenate((low, low + sizes), 1) * np.array((width, height) * 2, np.float32)
    offsets = [landms[:, i : i + 2] * np.float32(0.1) * anchors[:, 2:] for i in range(0, 10, 2)]
    points = np.concatenate([anchors[:, :2] + offset for offset in offsets], 1)
    points *= np.array((width, height) * 5, np.float32)
    scores = outputs["conf"][0, :, 1]
    faces = np.concatenate((boxes, scores[:, None], points), 1)[scores > threshold]
    return faces[plain_nms(faces[:, :4], faces[:, 4], 0.4)]


def synthetic_outputs(height: int, width: int, faces: int) -> Tensors:
    """Make outputs like those of a trained network: good anchors around faces, silence elsewhere."""
    rng = np.random.default_rng(0)
    anchors = plain_priors(height, width)
    count, truth = len(anchors), rng.uniform(0.1, 0.9, (faces, 2))
    distance = np.abs(anchors[:, None, :2] - truth) / anchors[:, None, 2:]
    near = distance.max(axis=2).min(axis=1) < 0.35
    score = np.where(near, rng.uniform(0.02, 1.0, count), rng.uniform(0, 0.01, count))
    return {
        "loc": rng.standard_normal((1, count, 4)).astype(np.float32) * np.float32(0.3),
        "conf": np.stack((1 - score, score), axis=1)[None].astype(np.float32),
        "landms": rng.standard_normal((1, count, 10)).astype(np.float32),
    }


def compare(title: str, ours: Callable[[], object], plain: Callable[[], object], rounds: int) -> None:
    """Time both in turn, in blocks of calls, and print the ratio of the medians.

    Blocks, because memory that one version frees costs the other page faults when they alternate.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for times, call in zip(seconds, (ours, plain), strict=True):
            call()
            for _ in range(BLOCK):
                start = perf_counter()
                call()
                times.append(perf_counter() - start)
    fast, slow = (median(times) * 1e3 for times in seconds)
    print(f"{title:<44} {fast:8.3f} ms  plain {slow:8.3f} ms  {slow / fast:6.1f} x")


def compare_preprocess(side: int, rounds: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)

    def ours() -> Floats:
        return to_batch([image], MEAN_BGR, bgr=True)

    assert np.array_equal(ours(), plain_preprocess(image))
    compare(f"pixels to tensor, {side} x {side}", ours, lambda: plain_preprocess(image), rounds)


def compare_postprocess(height: int, width: int, faces: int, rounds: int) -> None:
    outputs, model = synthetic_outputs(height, width, faces), RetinaFace(RetinaFaceOptions())

    def ours() -> Faces:
        return model.decode(outputs, height, width, Placement())

    def plain() -> Floats:
        return plain_postprocess(outputs, height, width, 0.02)

    boxes, expected = ours().boxes, plain()[:, :4]
    assert boxes is not None
    assert boxes.shape == expected.shape
    assert np.abs(boxes - expected).max() < 1e-2
    compare(f"priors, decode, nms, {width} x {height}, {len(boxes)} found", ours, plain, rounds)


def compare_nms(count: int, rounds: int) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 640, (count, 2))
    boxes = np.concatenate((corners, corners + rng.uniform(10, 100, (count, 2))), 1).astype(np.float32)
    scores = rng.random(count).astype(np.float32)

    def ours() -> list[int]:
        return list(nms(boxes, scores, 0.4, inclusive=True))

    assert ours() == plain_nms(boxes, scores, 0.4)
    compare(f"nms of {count} random boxes", ours, lambda: plain_nms(boxes, scores, 0.4), rounds)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    cv2.setNumThreads(1)
    for side in (320, 640):
        compare_preprocess(side, rounds)
    for height, width, faces in ((640, 640, 5), (768, 1024, 50)):
        compare_postprocess(height, width, faces, rounds)
    for count in (100, 1000, 5000):
        compare_nms(count, rounds)


if __name__ == "__main__":
    main()
