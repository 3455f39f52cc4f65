"""Verification accuracy, validation rate, ROC and equal error rate of pairs of faces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from faceport.api import Metric, Scored
from faceport.bounds import Count, Rounds, Share
from faceport.errors import FaceportError
from faceport.ops.bootstrap import ROUNDS, bootstrap
from faceport.ops.plain import plain
from faceport_verification.folds import Array, Distance, Mask, Protocol, distances, evaluate_folds
from faceport_verification.pairs import collect
from faceport_verification.roc import area, equal_error_rate, roc, tar_at_far

VERSION = 1  # of the protocol: raised when the same predictions and options give another number


@dataclass(frozen=True)
class VerificationOptions:
    """Options of the metric."""

    distance: Distance = "euclidean"
    protocol: Protocol = "facenet"
    subtract_mean: bool = False
    folds: Count = 10
    far: Share = 1e-3
    fars: list[Share] = field(default_factory=lambda: [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
    per_fold: bool = False
    curve: bool = False
    scores: bool = False
    bootstrap: Rounds = ROUNDS


class Verification(Metric):
    """Tell pairs of the same person from pairs of different ones."""

    Options = VerificationOptions
    options: VerificationOptions
    needs = frozenset({"embeddings"})
    truth = frozenset({"identities"})
    watched = ("accuracy", "auc")

    def compute(self, items: Iterable[Scored]) -> Mapping[str, Any]:
        """Give the accuracy over folds, and what the curve of all pairs says."""
        options, pairs = self.options, collect(items)
        apart = distances(pairs.first, pairs.second, options.distance)
        try:
            curve = roc(apart, pairs.same)
            folds = evaluate_folds(
                pairs.first,
                pairs.second,
                pairs.same,
                folds=options.folds,
                distance=options.distance,
                protocol=options.protocol,
                subtract_mean=options.subtract_mean,
                far=options.far,
            )
        except ValueError as error:
            raise FaceportError(f"metric verification: {error}") from error
        (accuracy, accuracy_std), (val, val_std), (far, _) = map(
            over_folds, (folds.accuracy, folds.val, folds.far)
        )
        result: dict[str, Any] = {
            "protocol": f"{options.protocol} v{VERSION}, {options.distance}, {options.folds} folds",
            "accuracy": accuracy,
            "accuracy_std": accuracy_std,
            "val": val,
            "val_std": val_std,
            "far": far,
            "auc": area(curve),
            "eer": equal_error_rate(curve),
            "tar_at_far": {f"{far:g}": tar_at_far(curve, far) for far in options.fars},
            "pairs": len(pairs.same),
            "different_pairs": curve.negatives,
            "missing_pairs": pairs.missing,
        }
        if options.per_fold:
            result["folds"] = {name: getattr(folds, name) for name in ("accuracy", "threshold", "val", "far")}
        if options.curve:
            result["curve"] = {"far": curve.far, "tar": curve.tar}
        if options.scores:
            result["distances"] = apart
        if options.bootstrap:
            result["interval"] = bootstrap(
                lambda drawn: {
                    "accuracy": float(folds.correct[drawn].mean()),
                    "auc": area_of(apart[drawn], pairs.same[drawn]),
                },
                len(apart),
                options.bootstrap,
            )
        return dict(plain(result))


def over_folds(values: Array) -> tuple[float, float]:
    """Compute mean and deviation over the folds where a number is defined."""
    defined = values[~np.isnan(values)]
    return (float(defined.mean()), float(defined.std())) if len(defined) else (np.nan, np.nan)


def area_of(distance: Array, same: Mask) -> float:
    """Compute the area under the curve, NaN where a draw has pairs of one kind only."""
    return area(roc(distance, same)) if 0 < same.sum() < len(same) else np.nan
