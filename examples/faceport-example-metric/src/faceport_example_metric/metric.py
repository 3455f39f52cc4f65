"""Were as many faces found as there are?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from faceport.api import Metric, Scored
from faceport.errors import FaceportError

VERSION = 1  # of the protocol: raised when the same predictions and options give another number


@dataclass(frozen=True)
class CountOptions:
    """Options of the metric; a ValueError becomes an error sentence."""

    confidence: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"option 'confidence' is {self.confidence}, it must lie in 0..1")


class FaceCount(Metric):
    """Compare how many faces were found with how many there are."""

    Options = CountOptions
    options: CountOptions
    needs = frozenset({"boxes", "scores"})
    truth = frozenset({"boxes"})
    watched = ("right",)

    def compute(self, items: Iterable[Scored]) -> Mapping[str, Any]:
        """Give the share of pictures with the right count, and the mean error; items come once, in order."""
        errors = [self._found(item) - len(item.truth) for item in items]
        if not errors:
            raise FaceportError("metric example_count: there is no picture to count faces in")
        apart = np.abs(errors)
        return {
            "protocol": f"counts v{VERSION}, confidence {self.options.confidence:g}",
            "right": float(np.mean(apart == 0)),
            "off_by": float(np.mean(apart)),
            "pictures": len(errors),
        }

    def _found(self, item: Scored) -> int:
        scores = item.faces.scores
        return 0 if scores is None else int((scores >= self.options.confidence).sum())
