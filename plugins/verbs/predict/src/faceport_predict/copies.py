"""Annotated copies of films: each frame once, or for as long as it was the newest that had been looked at."""

from __future__ import annotations

from faceport.data.videos import VideoWriter
from faceport.types import Image

LONGEST = 10.0  # seconds that one picture stays: a machine that slept makes no hour of one


class Paced:
    """Write pictures that come at any time into a video that lasts as long as they took."""

    def __init__(self, writer: VideoWriter) -> None:
        self._writer = writer
        self._begun: float | None = None
        self._written = 0
        self._last: Image | None = None

    def write(self, image: Image, taken: float) -> None:
        """Append a picture; the one before stays until then."""
        if self._begun is None:
            self._begun = taken
        ended = self._begun + self._written / self._writer.fps  # of what is written
        self._begun += max(0.0, taken - ended - LONGEST)
        place = int((taken - self._begun) * self._writer.fps + 0.5)
        while self._last is not None and self._written < place:
            self._append(self._last)
        if self._written <= place:
            self._append(image)
        self._last = image

    def _append(self, image: Image) -> None:
        self._writer.write(image)
        self._written += 1
