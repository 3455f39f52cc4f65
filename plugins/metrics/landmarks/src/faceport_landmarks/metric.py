"""Normalised mean error, failure rate and area under the error curve of landmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from faceport.api import Metric, Scored
from faceport.bounds import Amount, Count, Rounds
from faceport.errors import FaceportError
from faceport.ops.bootstrap import ROUNDS, bootstrap
from faceport.ops.plain import plain
from faceport_landmarks.faces import LabelledFaces, collect
from faceport_landmarks.nme import (
    Array,
    Norm,
    Protocol,
    area_under_curve,
    error_curve,
    failure_rate,
    grid,
    labelled_mean,
    normalizers,
    point_errors,
)

VERSION = 1  # of the protocol: raised when the same predictions and options give another number


@dataclass(frozen=True)
class LandmarkOptions:
    """Options of the metric."""

    norm: Norm = "inter_ocular"
    protocol: Protocol = "pipnet"
    threshold: Amount = 0.1  # in units of the norm
    space: Literal["picture", "box"] = "picture"
    points: Count | None = None
    subsets: bool = True
    per_face: bool = False
    per_landmark: bool = False
    curve: bool = False
    bootstrap: Rounds = ROUNDS


class Landmarks(Metric):
    """Compare predicted landmarks with labelled ones."""

    Options = LandmarkOptions
    options: LandmarkOptions
    needs = frozenset({"landmarks"})
    truth = frozenset({"landmarks"})
    watched = ("nme",)

    def compute(self, items: Iterable[Scored]) -> Mapping[str, Any]:
        """Give NME of the faces found, FR and AUC (faces not found have failed), and the tables asked for."""
        options, faces = self.options, collect(items, self.options.points)
        points = self.errors(faces)
        errors = np.full(len(faces.found), np.inf)
        errors[faces.found] = labelled_mean(points, axis=1)
        space = ", space of the box" if options.space == "box" else ""
        protocol = f"{options.protocol} v{VERSION}, {options.norm}{space}"
        result: dict[str, Any] = {"protocol": protocol, **self.summary(errors)}
        result |= {"faces": len(errors), "not_found": int((~faces.found).sum())}
        if options.subsets:
            result["subsets"] = {
                name: self.summary(errors[chosen]) | {"faces": int(chosen.sum())}
                for name, chosen in faces.subsets.items()
                if chosen.any()
            }
        if options.per_face:
            result["per_face"] = {"picture": faces.pictures, "nme": errors}
        if options.per_landmark:
            result["per_landmark"] = labelled_mean(points, axis=0)
        if options.curve:
            levels = grid(options.threshold)
            result["curve"] = {"error": levels, "share": error_curve(errors, levels)}
        if options.bootstrap:
            result["interval"] = bootstrap(
                lambda drawn: self.summary(errors[drawn]), len(errors), options.bootstrap
            )
        return dict(plain(result))

    def errors(self, faces: LabelledFaces) -> Array:
        """Measure the faces that were found: (n, k)."""
        try:
            faces = faces.in_box_shares() if self.options.space == "box" else faces
            lengths = normalizers(faces.truth, self.options.norm, faces.boxes)
            return point_errors(faces.predicted[faces.found], faces.truth[faces.found], lengths[faces.found])
        except ValueError as error:
            raise FaceportError(f"metric landmarks: {error}") from error

    def summary(self, errors: Array) -> dict[str, float]:
        """Compute the three headline numbers."""
        found = errors[np.isfinite(errors)]
        return {
            "nme": float(found.mean()) if len(found) else float("nan"),
            "fr": failure_rate(errors, self.options.threshold),
            "auc": area_under_curve(errors, self.options.threshold, self.options.protocol),
        }
