"""Faces of a film that keep their numbers from frame to frame."""

from __future__ import annotations

import numpy as np

from faceport.data.drawing import TRACK
from faceport.ops.tracks import Tracker
from faceport.types import Faces


class Following:
    """Number the faces of one film that are sure enough to be drawn."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._tracker = Tracker()

    def __call__(self, faces: Faces) -> Faces:
        """Give the faces of the next frame their numbers, from 1 on; 0: too uncertain to be followed."""
        if faces.boxes is None:
            return faces
        sure = np.ones(len(faces), bool) if faces.scores is None else faces.scores >= self._threshold
        numbers = np.zeros(len(faces), np.int64)
        embeddings = None if faces.embeddings is None else faces.embeddings[sure]
        numbers[sure] = self._tracker.follow(faces.boxes[sure], embeddings)
        return faces.with_fields(attributes={**faces.attributes, TRACK: numbers})
