"""The normalised mean error of landmarks, and what a set of such errors amounts to."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceport.ops.landmarks import OUTER_CORNERS, PUPILS, eye_distance

Array = NDArray[np.float64]
Norm = Literal["inter_ocular", "inter_pupil", "box_diagonal", "box_size", "none"]
Protocol = Literal["pipnet", "exact"]

GRID_STEP = 0.0001  # of the published PIPNet evaluation


def normalizers(truth: ArrayLike, norm: Norm, boxes: ArrayLike | None = None) -> Array:
    """Compute the length that each face's error is divided by, from landmarks (n, k, 2) or boxes (n, 4)."""
    truth = np.asarray(truth, dtype=np.float64)
    if norm == "none":
        return np.ones(len(truth))
    if norm in ("inter_ocular", "inter_pupil"):
        return eye_distance(truth, OUTER_CORNERS if norm == "inter_ocular" else PUPILS)
    if boxes is None:
        raise ValueError(f"norm '{norm}' needs the boxes of the truth")
    boxes = np.asarray(boxes, dtype=np.float64)
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    lengths = np.hypot(width, height) if norm == "box_diagonal" else np.sqrt(width * height)
    return np.asarray(lengths, dtype=np.float64)


def point_errors(predicted: ArrayLike, truth: ArrayLike, lengths: ArrayLike) -> Array:
    """Compute how far each landmark is off, in units of its face's length: 2 x (n, k, 2), (n,) -> (n, k).

    A landmark whose truth is NaN was not labelled, and has the error NaN.
    """
    predicted, truth = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    lengths = np.asarray(lengths, dtype=np.float64)
    if predicted.shape != truth.shape:
        raise ValueError(f"landmarks of shape {predicted.shape} cannot be compared with {truth.shape}")
    if not np.isfinite(predicted).all():
        raise ValueError(f"face {_first(~np.isfinite(predicted))} has a landmark that is not a finite number")
    if not (lengths > 0).all():
        raise ValueError(f"face {_first(~(lengths > 0))} has no length to divide its error by")
    return np.asarray(np.linalg.norm(predicted - truth, axis=2) / lengths[:, None], dtype=np.float64)


def _first(wrong: NDArray[np.bool_]) -> int:
    return int(np.argwhere(wrong)[0, 0])


def labelled_mean(errors: Array, axis: int) -> Array:
    """Average errors over what was labelled; NaN where nothing was."""
    labelled = ~np.isnan(errors)
    counts = labelled.sum(axis=axis)
    sums = np.where(labelled, errors, 0).sum(axis=axis)
    means: Array = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means


def failure_rate(errors: ArrayLike, threshold: float = 0.1) -> float:
    """Compute the share of faces whose error exceeds the threshold; of a face not found it is infinite."""
    return float(np.mean(np.asarray(errors) > threshold))


def error_curve(errors: ArrayLike, levels: ArrayLike) -> Array:
    """Compute the share of faces whose error is at most each level (cumulative error distribution)."""
    ordered = np.sort(np.asarray(errors, dtype=np.float64))
    return np.asarray(np.searchsorted(ordered, levels, side="right") / len(ordered), dtype=np.float64)


def grid(threshold: float = 0.1) -> Array:
    """Give the levels at which the published evaluation samples the error curve."""
    intervals = round(threshold / GRID_STEP)
    if intervals % 2 or abs(intervals * GRID_STEP - threshold) > 1e-9:
        raise ValueError(f"protocol 'pipnet' takes thresholds in steps of {2 * GRID_STEP}, not {threshold}")
    levels: Array = np.arange(intervals + 1, dtype=np.float64) * GRID_STEP
    return levels


def simpson(values: Array, step: float) -> float:
    """Integrate evenly spaced samples, an odd number of them, by Simpson's rule."""
    return float(step / 3 * (values[0] + 4 * values[1::2].sum() + 2 * values[2:-1:2].sum() + values[-1]))


def area_under_curve(errors: ArrayLike, threshold: float = 0.1, protocol: Protocol = "pipnet") -> float:
    """Compute the area under the error curve up to the threshold, as a share of the best possible."""
    if protocol == "pipnet":
        return simpson(error_curve(errors, grid(threshold)), GRID_STEP) / threshold
    return float(np.mean(np.clip(threshold - np.asarray(errors, dtype=np.float64), 0, None)) / threshold)
