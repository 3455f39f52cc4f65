"""What did this chip and this precision change? No label is needed to answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faceport.api import Metric, Scored
from faceport.errors import FaceportError, MissingError
from faceport.ops.plain import plain
from faceport.predictions import FILE, read_predictions
from faceport.types import Faces
from faceport_agreement.compare import detection, pair, scores
from faceport_agreement.shifts import measure


@dataclass(frozen=True)
class AgreementOptions:
    """Options of the metric."""

    reference: str | None = None  # folder or predictions.jsonl of another run
    iou: float = 0.5  # least overlap of two boxes of one face
    threshold: float = 0.5  # least score of a face that counts


class Agreement(Metric):
    """Compare predictions with those of a reference run on the same pictures."""

    Options = AgreementOptions
    options: AgreementOptions

    def compute(self, items: Iterable[Scored]) -> Mapping[str, Any]:
        """Give what changed in boxes, scores, landmarks and embeddings, whichever both runs have."""
        options = self.options
        both = sorted(self.beside(items), key=lambda three: three[0])  # so that order changes no sum
        found = [faces for _, faces, _ in both]
        wanted = [faces[scores(faces) >= options.threshold] for _, _, faces in both]
        pairs = [pair(a, b, options.iou) for a, b in zip(found, wanted, strict=True)]
        counts = {
            "pictures": len(both),
            "faces": sum(map(len, wanted)),
            "paired": sum(len(p.found) for p in pairs),
        }
        if not counts["faces"]:
            raise FaceportError(
                "metric agreement: the reference has no face in these pictures (metric.agreement.reference "
                "names a run to compare with, metric.agreement.threshold the least score)"
            )
        result: dict[str, Any] = dict(counts)
        if all(faces.boxes is not None for faces in wanted if len(faces)):
            right = [np.isin(np.arange(len(faces)), p.found) for faces, p in zip(found, pairs, strict=True)]
            confidence = np.concatenate([scores(faces) for faces in found])
            result |= detection(confidence, np.concatenate(right), counts["faces"], options.threshold)
        left = [faces[p.found] for faces, p in zip(found, pairs, strict=True) if len(p.found)]
        answers = [faces[p.reference] for faces, p in zip(wanted, pairs, strict=True) if len(p.found)]
        result |= measure(left, answers)
        return dict(plain(result))

    def beside(self, items: Iterable[Scored]) -> Iterator[tuple[str, Faces, Faces]]:
        """Put the faces of the reference beside those that were found; without one, those of the truth."""
        if self.options.reference is None:
            yield from ((item.id, item.faces, item.truth) for item in items)
            return
        path = Path(self.options.reference).expanduser()
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise MissingError(f"there is no {path} (metric.agreement.reference): give the folder of a run")
        known = {prediction.id: prediction.faces for prediction in read_predictions(path)}
        for item in items:
            if item.id not in known:
                raise FaceportError(
                    f"{path} has no prediction for {item.id}: it must be of the same pictures"
                )
            yield item.id, item.faces, known[item.id]
