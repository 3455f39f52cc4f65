"""Break the average precision down: by event, by overlap, by height of the faces."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from faceport_widerface_metric.average_precision import (
    ImageFaces,
    ImageMatch,
    Mask,
    match_image,
    score_range,
    settings_ap,
)


def ap_by_event(matches: Mapping[str, ImageMatch], thresholds: int = 1000) -> dict[str, list[float]]:
    """Compute the average precisions of each event, which is what an image's name says before the '/'.

    The scores stay normalised over all events, so that one threshold means the same everywhere.
    """
    scores = score_range(matches.values())
    events: dict[str, list[ImageMatch]] = defaultdict(list)
    for name, match in matches.items():
        events[name.partition("/")[0]].append(match)
    return {event: settings_ap(part, thresholds, scores) for event, part in events.items()}


def ap_by_iou(
    images: Sequence[ImageFaces], ious: Sequence[float], thresholds: int = 1000
) -> dict[float, list[float]]:
    """Compute the average precisions at several overlaps."""
    return {iou: settings_ap([match_image(*image, iou=iou) for image in images], thresholds) for iou in ious}


def ap_by_height(
    images: Sequence[ImageFaces], edges: Sequence[float], iou: float = 0.5, thresholds: int = 1000
) -> dict[str, float]:
    """Compute the average precision on all faces of each range of heights, in pixels, lower edge included."""
    matches = [
        match_image(image.boxes, image.scores, image.truth, heights_between(image.truth, edges), iou=iou)
        for image in images
    ]
    names = [f"{low:g}-{high:g}" for low, high in pairwise(edges)]
    return dict(zip(names, settings_ap(matches, thresholds), strict=True))


def heights_between(truth: ArrayLike, edges: Sequence[float]) -> Mask:
    """Tell for each face (rows) in which range of heights (columns) it lies."""
    boxes = np.asarray(truth, dtype=np.float64).reshape(-1, 4)
    height = (boxes[:, 3] - boxes[:, 1])[:, None]
    return (height >= np.asarray(edges[:-1])) & (height < np.asarray(edges[1:]))
