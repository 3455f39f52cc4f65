"""Compute WIDER FACE average precision, bit for bit as the official evaluator does.

Paper: https://arxiv.org/abs/1511.06523; official evaluation: http://shuoyang1213.me/WIDERFACE/

What makes its numbers its own, and has to be kept:

- scores are normalised over the *whole* prediction set, so no image can be scored alone;
- precision and recall are sampled at 1,000 score thresholds, not at every detection;
- widths and heights count pixels inclusively, ``x2 - x1 + 1``;
- a face outside the setting ("ignored") absorbs detections; a second detection of a face is a false positive;
- an image without any labelled face adds no false positives;
- at a threshold, all detections up to the *last* one in the list that reaches it count: lists that are not
  sorted by descending score get other numbers.

Faces are matched to detections once per image, all settings at once; the thresholds are one histogram.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceport.ops.boxes import iou as overlaps

IMAGES = 512  # whose counts by threshold are in memory at once
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class ImageFaces(NamedTuple):
    """Hold the detections of one image, best first, and its faces; n detections, m faces, s settings."""

    boxes: NDArray[Any]  # (n, 4) x1, y1, x2, y2
    scores: NDArray[Any]  # (n,)
    truth: NDArray[Any]  # (m, 4)
    kept: Mask  # (m, s) faces that each setting counts (easy, medium, hard); the others are ignored


class ImageMatch(NamedTuple):
    """Hold what one image adds to the curves; n detections, s settings."""

    scores: Array  # (n,) in the order of the detections
    proposals: Mask  # (n, s) counts as a proposal: it touches no ignored face
    hits: Mask  # (n, s) the first detection to touch a face of the setting
    faces: NDArray[np.int64]  # (s,) faces to be found


class Binned(NamedTuple):
    """Hold the d detections of n images, each with the first threshold at which it counts."""

    bins: NDArray[np.intp]  # (d,) numbers of thresholds, from high to low
    images: NDArray[np.intp]  # (d,) numbers of images
    proposals: Mask  # (d, s)
    hits: Mask  # (d, s)
    faces: NDArray[np.int64]  # (n, s)
    thresholds: int


class Curves(NamedTuple):
    """Hold precision and recall at each of t score thresholds, from high to low, for s settings."""

    precision: Array  # (t, s)
    recall: Array  # (t, s); NaN where the setting has no face


def match_image(
    boxes: ArrayLike, scores: ArrayLike, truth: ArrayLike, kept: ArrayLike, iou: float = 0.5
) -> ImageMatch:
    """Match the detections (n x 4) of an image to its faces (m x 4), of which settings keep some (m x s)."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)  # x1, y1, x2, y2
    scores = np.asarray(scores, dtype=np.float64).reshape(-1)
    truth = np.asarray(truth, dtype=np.float64).reshape(-1, 4)
    kept = np.asarray(kept, dtype=bool)
    if len(boxes) != len(scores) or len(truth) != len(kept) or kept.ndim != 2:
        raise ValueError(
            f"{len(boxes)} boxes need as many scores ({len(scores)}) and {len(truth)} faces as many rows "
            f"of settings (shape {kept.shape})"
        )
    if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
        raise ValueError("a detection has a coordinate or a score that is not a finite number")
    faces = kept.sum(axis=0)
    if not len(truth) or not len(boxes):
        nothing = np.zeros((len(boxes), kept.shape[1]), dtype=bool)
        return ImageMatch(scores, nothing, nothing, faces)
    overlap = overlaps(boxes, truth, inclusive=True)
    nearest = overlap.argmax(axis=1)
    touches = overlap[np.arange(len(boxes)), nearest] >= iou
    wanted = kept[nearest]
    touching = np.flatnonzero(touches)
    first = touching[np.unique(nearest[touching], return_index=True)[1]]
    hits = np.zeros_like(wanted)
    hits[first] = wanted[first]
    return ImageMatch(scores, wanted | ~touches[:, None], hits, faces)


def score_range(matches: Iterable[ImageMatch]) -> tuple[float, float]:
    """Find the least and the greatest score of a prediction set, never inside 0..1 of an empty one."""
    low, high = (
        1.0,
        0.0,
    )  # the official start values: a set whose scores all exceed 1 is still measured from 1
    for match in matches:
        if len(match.scores):
            low, high = min(low, float(match.scores.min())), max(high, float(match.scores.max()))
    return low, high


def sort_into_bins(
    matches: Sequence[ImageMatch], thresholds: int = 1000, scores: tuple[float, float] | None = None
) -> Binned:
    """Find the first of evenly spaced thresholds of the normalised score that lets each detection count.

    ``scores`` is the range of the whole prediction set where ``matches`` are only a part of it (one event).
    """
    if not matches:
        raise ValueError("no image to compute a precision-recall curve from")
    low, high = score_range(matches) if scores is None else scores
    levels = 1 - np.arange(1, thresholds + 1) / thresholds
    # All detections up to the last that reaches a threshold count: each is worth the best score from it on.
    reach = np.concatenate([np.maximum.accumulate(m.scores[::-1])[::-1] for m in matches])
    # Where all scores are equal the official code divides 0 by 0 and finds nothing; here all reach the top.
    reach = (reach - low) / (high - low) if high > low else np.ones_like(reach)
    return Binned(
        bins=thresholds - np.searchsorted(levels[::-1], reach, side="right"),
        images=np.repeat(np.arange(len(matches)), [len(m.scores) for m in matches]),
        proposals=np.concatenate([m.proposals for m in matches]),
        hits=np.concatenate([m.hits for m in matches]),
        faces=np.array([m.faces for m in matches]),
        thresholds=thresholds,
    )


def sample_curves(binned: Binned, drawn: NDArray[np.intp] | None = None) -> Curves:
    """Compute precision and recall at each threshold, of all images or of those drawn (with repetition)."""
    times = None if drawn is None else np.bincount(drawn, minlength=len(binned.faces))
    counts = []
    for flags in (binned.proposals, binned.hits):
        per_bin = [
            np.bincount(
                binned.bins[column],
                weights=None if times is None else times[binned.images[column]],
                minlength=binned.thresholds,
            )
            for column in flags.T
        ]
        counts.append(np.cumsum(per_bin, axis=1).T.astype(np.float64))
    proposals, hits = counts
    return _curves(proposals, hits, binned.faces.sum(axis=0) if times is None else times @ binned.faces)


def drawn_curves(binned: Binned, times: NDArray[np.int64]) -> list[Curves]:
    """Compute the curves of many drawings at once, each given as how often every image is in it: (r, n).

    The detections of some images at a time are counted by threshold, and these counts are multiplied with
    the drawings: numbers below 2**24, so that 32 bits hold them exactly.
    """
    rounds, images = times.shape
    width, settings = binned.thresholds, binned.faces.shape[1]
    sums = np.zeros((2, settings, rounds, width))
    for start in range(0, images, IMAGES):
        stop = min(start + IMAGES, images)
        first, last = np.searchsorted(binned.images, (start, stop))
        place = (binned.images[first:last] - start) * width + binned.bins[first:last]
        some = times[:, start:stop].astype(np.float32)
        for number, flags in enumerate((binned.proposals, binned.hits)):
            for setting, column in enumerate(flags[first:last].T):
                counts = np.bincount(place[column], minlength=(stop - start) * width)
                sums[number, setting] += some @ counts.reshape(-1, width).astype(np.float32)
    proposals, hits = np.cumsum(sums, axis=3).transpose(0, 2, 3, 1)
    return [_curves(*one) for one in zip(proposals, hits, times @ binned.faces, strict=True)]


def _curves(proposals: Array, hits: Array, faces: NDArray[np.int64]) -> Curves:
    """Divide counts by threshold (t, s) by each other and by the faces there are (s,)."""
    # No proposal yet means no hit yet: such points have no width in the area below, whatever their precision.
    precision = np.divide(hits, proposals, out=np.zeros_like(hits), where=proposals > 0)
    recall = np.divide(hits, faces.astype(np.float64), out=np.full_like(hits, np.nan), where=faces > 0)
    return Curves(precision, recall)


def precision_recall(
    matches: Sequence[ImageMatch], thresholds: int = 1000, scores: tuple[float, float] | None = None
) -> Curves:
    """Sample precision and recall at evenly spaced thresholds of the normalised score."""
    return sample_curves(sort_into_bins(matches, thresholds, scores))


def average_precision(precision: ArrayLike, recall: ArrayLike) -> float:
    """Compute the area under the decreasing envelope of one precision-recall curve, recall ascending."""
    precision = np.concatenate([[0.0], np.asarray(precision, dtype=np.float64), [0.0]])
    recall = np.concatenate([[0.0], np.asarray(recall, dtype=np.float64), [1.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))


def settings_ap(
    matches: Sequence[ImageMatch], thresholds: int = 1000, scores: tuple[float, float] | None = None
) -> list[float]:
    """Compute the average precision of each setting; NaN for a setting that has no face."""
    return areas(precision_recall(matches, thresholds, scores))


def areas(curves: Curves) -> list[float]:
    """Compute the area under the curve of each setting; NaN for a setting that has no face."""
    return [average_precision(p, r) for p, r in zip(curves.precision.T, curves.recall.T, strict=True)]


def widerface_ap(images: Iterable[ImageFaces], *, iou: float = 0.5, thresholds: int = 1000) -> list[float]:
    """Compute the average precision of each setting from the detections and faces of *all* images.

    Scores are normalised over the whole set. An image without detections counts and must not be left out.
    """
    return settings_ap([match_image(*image, iou=iou) for image in images], thresholds)
