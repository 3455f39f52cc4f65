"""Cameras and streams: frames as they come; whoever is slow gets the newest one, not the oldest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceport.data.pictures import MEGAPIXELS, most_megapixels
from faceport.data.videos import FASTEST
from faceport.errors import FaceportError
from faceport.types import Sample
from faceport_predict.inputs import Film

PATIENCE = 10.0  # seconds in which a stream must be there, and its next frame must come
LOOK = 0.05  # seconds between two looks at whether it is over
USUAL = 25.0  # frames a second of what does not say


@dataclass(frozen=True, eq=False)
class Frame(Sample):
    """A frame, and when it came."""

    taken: float = 0.0  # seconds of a clock


class Camera:
    """Read a camera in a thread of its own, which keeps the newest frame."""

    def __init__(self, film: Film, every: int, over: Callable[[], bool]) -> None:
        self._film, self._every, self._over = film, every, over
        self._video = _open(film)
        fps = float(self._video.get(cv2.CAP_PROP_FPS))
        self.fps = fps if 1 <= fps <= FASTEST else USUAL
        self._fresh = threading.Condition()
        self._newest: Frame | None = None
        self._done = False  # nothing more comes, or nobody wants it
        self._error: FaceportError | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.seen = 0  # frames that came

    def frames(self) -> Generator[Frame]:
        """Yield the newest frame whenever one is asked for, until there are no more."""
        self._thread.start()
        while not self._over():
            with self._fresh:
                self._fresh.wait_for(lambda: self._newest is not None or self._done, LOOK)
                frame, self._newest = self._newest, None
                done = self._done
            if frame is not None:
                yield frame
            elif done:
                break
        if self._error is not None:
            raise self._error
        if not self.seen:
            raise FaceportError(f"{self._film.shown} gave no picture: is it used by another program?")

    def _read(self) -> None:
        try:
            while not self._done:
                there, picture = self._video.read()
                if not there:
                    break
                if self.seen % self._every == 0:
                    self._offer(picture)
                self.seen += 1
        except FaceportError as error:
            self._error = error
        finally:
            self._video.release()  # here, for it may not be released while it is read
            with self._fresh:
                self._done = True
                self._fresh.notify()

    def _offer(self, picture: NDArray[Any]) -> None:
        height, width = picture.shape[:2]
        if width * height > 1e6 * most_megapixels():
            raise FaceportError(
                f"{self._film.shown}: its frames have {width}x{height} pixels, more than the "
                f"{most_megapixels():g} megapixels that are looked at; set {MEGAPIXELS} to allow more"
            )
        image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        frame = Frame(f"{self._film.name}#{self.seen:06d}", image, taken=time.monotonic())
        with self._fresh:
            self._newest = frame
            self._fresh.notify()

    def close(self) -> None:
        """Let go of the camera; one that does not answer is let go of once it does."""
        self._done = True
        if self._thread.ident is None:
            self._video.release()
        else:
            self._thread.join(1.0)


def _open(film: Film) -> cv2.VideoCapture:
    wait = int(1e3 * PATIENCE)
    bounds = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait]
    with _silent():
        if isinstance(film.source, int):
            video = cv2.VideoCapture(film.source)
        else:
            video = cv2.VideoCapture(str(film.source), cv2.CAP_FFMPEG, bounds)
    if video.isOpened():
        return video
    if isinstance(film.source, int):
        cure = "is one plugged in, may you read it (Linux: group video), and does no other program use it?"
    else:
        cure = "is the address right, and does it answer without another password?"
    raise FaceportError(f"{film.shown} cannot be opened: {cure}")


@contextmanager
def _silent() -> Generator[None]:
    """Keep OpenCV from printing what it tries: our sentence says what came of it."""
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    before = logging.getLogLevel() if logging else None
    if logging:
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        if logging:
            logging.setLogLevel(before)
