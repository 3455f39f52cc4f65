"""Videos in and out, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2

from faceport.errors import FaceportError
from faceport.types import Image, Sample

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


_CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}


def is_video(path: str | os.PathLike[str]) -> bool:
    """Tell by its name whether a file is a video."""
    return os.fspath(path).lower().endswith(VIDEOS)


@dataclass(frozen=True)
class VideoFacts:
    """What a video's container says about it."""

    frames: int  # some containers guess
    fps: float
    width: int
    height: int


def probe_video(path: str | os.PathLike[str]) -> VideoFacts:
    """Read what a video's container says, decoding nothing."""
    video = _open_video(path)
    try:
        return VideoFacts(
            frames=max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT))),
            fps=float(video.get(cv2.CAP_PROP_FPS)) or 25.0,
            width=int(video.get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
    finally:
        video.release()


def read_video(path: str | os.PathLike[str], every: int = 1) -> Iterator[Sample]:
    """Yield every n-th frame of a video as a sample, e.g. 'video.mp4#000012'.

    Each frame is decoded here, by whoever iterates, because a video can only be read in order; the
    samples may then be looked at in any thread and order, and live only as long as they are held.
    """
    name = Path(path).name
    video = _open_video(path)
    try:
        index = 0
        while video.grab():
            if index % every == 0:
                done, frame = video.retrieve()
                if not done:
                    break
                yield Sample(f"{name}#{index:06d}", cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            index += 1
        if index == 0:
            raise FaceportError(f"{os.fspath(path)}: the video has no frame that can be decoded")
    finally:
        video.release()


def _open_video(path: str | os.PathLike[str]) -> cv2.VideoCapture:
    if not Path(path).is_file():
        raise FaceportError(f"{os.fspath(path)}: there is no such video")
    video = cv2.VideoCapture(os.fspath(path))
    if not video.isOpened():
        size = Path(path).stat().st_size
        raise FaceportError(f"{os.fspath(path)}: not a video that OpenCV can read, or damaged ({size} bytes)")
    return video


class VideoWriter:
    """Write RGB frames of one size into a video; the first frame sets the size."""

    def __init__(self, path: str | os.PathLike[str], fps: float = 25.0) -> None:
        self.path = Path(path)
        self.fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()
        if self.path.suffix.lower() not in _CODECS:
            raise FaceportError(f"{path}: cannot write '{self.path.suffix}' videos; use {', '.join(_CODECS)}")

    def write(self, image: Image) -> None:
        """Append a frame."""
        if self._writer is None:
            height, width = self._shape = image.shape[:2]
            codec = cv2.VideoWriter.fourcc(*_CODECS[self.path.suffix.lower()])
            self._writer = cv2.VideoWriter(os.fspath(self.path), codec, self.fps, (width, height))
            if not self._writer.isOpened():
                raise FaceportError(f"{self.path}: OpenCV cannot write it (no such folder, no codec?)")
        if image.shape[:2] != self._shape:  # OpenCV would drop the frame without a word
            raise FaceportError(
                f"{self.path}: frames must have one size, not {self._shape} and {image.shape[:2]}"
            )
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
