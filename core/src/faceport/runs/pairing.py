"""Predictions beside their truth."""

from __future__ import annotations

from collections.abc import Iterator

from faceport.api import Scored
from faceport.data.predictions import twice
from faceport.types import Faces, Prediction, Sample


class Pairing:
    """Put predictions beside their truth, in the order of the dataset; what has none counts as empty."""

    def __init__(self, samples: Iterator[Sample], predictions: Iterator[Prediction]) -> None:
        self._samples, self._predictions = samples, predictions
        self.missing = self.unreadable = 0
        self.unknown = 0  # predictions for pictures that the dataset does not have

    def __iter__(self) -> Iterator[Scored]:
        waiting: dict[str, Prediction] = {}  # stays empty while both come in the same order
        numbers: dict[str, int] = {}
        for number, sample in enumerate(self._samples, 1):
            if numbers.setdefault(sample.id, number) != number:
                raise twice(sample.id, numbers[sample.id], number)
            while sample.id not in waiting:
                prediction = next(self._predictions, None)
                if prediction is None:
                    break
                waiting[prediction.id] = prediction
            found = waiting.pop(sample.id, None)
            self.missing += found is None
            self.unreadable += bool(found and found.error)
            yield Scored(sample.id, found.faces if found else Faces(), sample.truth or Faces())
        self.unknown = len(waiting) + sum(1 for _ in self._predictions)
