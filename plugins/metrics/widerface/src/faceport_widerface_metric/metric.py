"""The WIDER FACE evaluation of detections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from faceport.api import Metric, Scored
from faceport.bounds import Amount, Count, Rounds, Share
from faceport.errors import FaceportError
from faceport.ops.bootstrap import ROUNDS, draws, intervals
from faceport.ops.plain import plain
from faceport_widerface_metric.average_precision import (
    ImageFaces,
    areas,
    drawn_curves,
    match_image,
    sample_curves,
    sort_into_bins,
)
from faceport_widerface_metric.tables import ap_by_event, ap_by_height, ap_by_iou

VERSION = 1  # of the protocol: raised when the same predictions and options give another number


@dataclass(frozen=True)
class WiderFaceOptions:
    """Options of the metric."""

    iou: Share = 0.5  # least overlap
    thresholds: Count = 1000
    levels: list[str] = field(default_factory=lambda: ["easy", "medium", "hard"])
    sort: bool = True
    curves: bool = False
    events: bool = False
    ious: list[Share] = field(default_factory=list)
    heights: list[Amount] = field(default_factory=list)  # pixels
    bootstrap: Rounds = ROUNDS


class WiderFaceAP(Metric):
    """Compute average precision exactly as the official evaluator does."""

    Options = WiderFaceOptions
    options: WiderFaceOptions
    needs = frozenset({"boxes", "scores"})
    truth = frozenset({"boxes"})

    def compute(self, items: Iterable[Scored]) -> Mapping[str, Any]:
        """Give the average precision of each level, and the tables that were asked for."""
        options, levels = self.options, self.options.levels
        images = {item.id: arrays(item, levels, options.sort) for item in items}
        images = dict(sorted(images.items()))  # so that shards draw the same pictures, whatever their order
        if not images:
            raise FaceportError("metric widerface_ap: there is no picture to score")
        matches = {name: match_image(*image, iou=options.iou) for name, image in images.items()}
        whole, every = list(matches.values()), list(images.values())
        binned = sort_into_bins(whole, options.thresholds)
        curves = sample_curves(binned)
        result: dict[str, Any] = {"protocol": f"WIDER FACE v{VERSION}, IoU {options.iou:g}"}
        result |= dict(zip(levels, areas(curves), strict=True))
        if options.curves:
            result["curves"] = {
                level: {"precision": p, "recall": r}
                for level, p, r in zip(levels, curves.precision.T, curves.recall.T, strict=True)
            }
        if options.events:
            result["events"] = self.table(ap_by_event(matches, options.thresholds))
        if options.ious:
            result["ious"] = self.table(ap_by_iou(every, options.ious, options.thresholds))
        if options.heights:
            result["heights"] = ap_by_height(every, options.heights, options.iou, options.thresholds)
        if options.bootstrap:
            drawn = drawn_curves(binned, draws(len(whole), options.bootstrap))
            result["interval"] = intervals([dict(zip(levels, areas(one), strict=True)) for one in drawn])
        return dict(plain(result))

    def table(self, rows: Mapping[Any, list[float]]) -> dict[Any, dict[str, float]]:
        """Name the columns of a table."""
        return {name: dict(zip(self.options.levels, row, strict=True)) for name, row in rows.items()}


def arrays(item: Scored, levels: Sequence[str], sort: bool) -> ImageFaces:
    """Take the arrays out of one item, detections best first."""
    truth = item.truth.boxes if item.truth.boxes is not None else np.zeros((0, 4))
    absent = [name for name in levels if name not in {*item.truth.attributes, "all"}]
    if absent and len(truth):
        raise FaceportError(
            f"the truth of {item.id} does not say which faces are {', '.join(absent)}: for WIDER FACE "
            "put ground_truth/wider_{easy,medium,hard}_val.mat (eval_tools.zip) beside the annotations; "
            "metric.widerface_ap.levels=[all] counts every face"
        )
    kept = [item.truth.attributes.get(name, np.full(len(truth), name == "all")) for name in levels]
    boxes = item.faces.boxes if item.faces.boxes is not None else np.zeros((0, 4))
    scores = item.faces.scores if item.faces.scores is not None else np.ones(len(boxes))
    order = np.argsort(-scores, kind="stable") if sort else slice(None)
    return ImageFaces(boxes[order], scores[order], truth, np.column_stack(kept))
