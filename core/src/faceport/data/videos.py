"""Videos in and out, frame by frame."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2

from faceport.data.pictures import MEGAPIXELS, most_megapixels
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.files import begun, rename
from faceport.places import as_text
from faceport.types import Image, Sample

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


FASTEST = 1000.0  # frames a second; containers that say more, or nothing, are not believed

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
            fps=fps if 0 < (fps := float(video.get(cv2.CAP_PROP_FPS))) <= FASTEST else 25.0,
            width=int(video.get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
    finally:
        video.release()


def read_video(path: str | os.PathLike[str], every: int = 1, name: str = "") -> Generator[Sample]:
    """Yield every n-th frame of a video as a sample, e.g. 'video.mp4#000012'; `name` replaces the file's.

    Each frame is decoded here, by whoever iterates, because a video can only be read in order; the
    samples may then be looked at in any thread and order, and live only as long as they are held.
    """
    name = name or as_text(Path(path).name)
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
    name = printable(os.fspath(path))
    if not Path(path).is_file():
        raise FaceportError(f"{name}: there is no such video")
    # Absolute, for FFmpeg takes what is before a colon for a protocol.
    video = cv2.VideoCapture(os.path.abspath(path))  # noqa: PTH100
    if not video.isOpened():
        size = Path(path).stat().st_size
        raise FaceportError(f"{name}: not a video that OpenCV can read, or damaged ({size} bytes)")
    width, height = (int(video.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > 1e6 * most_megapixels():
        video.release()
        raise FaceportError(
            f"{name}: its frames have {width}x{height} pixels, more than the {most_megapixels():g} "
            f"megapixels that are decoded; set {MEGAPIXELS} to allow more"
        )
    return video


class VideoWriter:
    """Write RGB frames of one size into a video; the first frame sets the size.

    The file gets its name when it is whole, on errors and interrupts too: what was written until then plays.
    One that cannot be read back, because the disk is full, is removed: OpenCV's encoder does not say so.
    """

    _LOOK = 64  # frames between two looks at the disk
    _FULL = 1 << 16  # bytes

    def __init__(
        self, path: str | os.PathLike[str], fps: float = 25.0, adopt: Callable[[Path], object] | None = None
    ) -> None:
        self.path = Path(path)
        self.fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()
        self._count = self._size = 0
        self._begun = ExitStack()
        self._temporary = self.path  # until there is one
        self._adopt = adopt or (lambda temporary: rename(temporary, self.path))
        if self.path.suffix.lower() not in _CODECS:
            raise FaceportError(f"{path}: cannot write '{self.path.suffix}' videos; use {', '.join(_CODECS)}")

    def write(self, image: Image) -> None:
        """Append a frame."""
        if self._writer is None:
            height, width = self._shape = image.shape[:2]
            self._temporary = self._begin()
            codec = cv2.VideoWriter.fourcc(*_CODECS[self.path.suffix.lower()])
            self._writer = cv2.VideoWriter(os.fspath(self._temporary), codec, self.fps, (width, height))
            if not self._writer.isOpened():
                self._writer = None
                self._begun.close()
                raise FaceportError(f"{self.path}: OpenCV cannot write it (no codec?)")
        if image.shape[:2] != self._shape:  # OpenCV would drop the frame without a word
            raise FaceportError(
                f"{self.path}: frames must have one size, not {self._shape} and {image.shape[:2]}"
            )
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self._count += 1
        if self._count % self._LOOK == 0:
            self._check_disk()

    def _begin(self) -> Path:
        try:
            return self._begun.enter_context(begun(self.path))
        except OSError as error:
            raise FaceportError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _check_disk(self) -> None:
        """Stop where the file no longer grows on a full disk, rather than hours later."""
        size = self._temporary.stat().st_size if self._temporary.exists() else 0
        if size == self._size and shutil.disk_usage(self.path.parent).free < self._FULL:
            raise self._full()
        self._size = size

    def _full(self) -> FaceportError:
        return FaceportError(
            f"{self.path}: the video cannot be written whole: is the disk that holds it full? Nothing of it "
            "was kept; choose another disk with out="
        )

    def close(self) -> None:
        """Finish the file and read back how many frames it has; one that lacks some is removed."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        try:
            try:
                whole = probe_video(self._temporary).frames >= self._count - 1  # some containers round
            except FaceportError:
                whole = False
            if not whole:
                raise self._full()
            self._adopt(self._temporary)
        finally:
            self._begun.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
            return
        with suppress(FaceportError):  # the error on its way says more
            self.close()
