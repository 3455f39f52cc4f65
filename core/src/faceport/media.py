"""Pictures and videos in and out: RGB uint8 arrays, and sentences for files that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from faceport.errors import FaceportError, ImageError, explain_import
from faceport.predictions import FILE
from faceport.types import Image, Sample

try:
    import cv2
except ImportError as error:  # mostly libGL, which servers and slim containers lack
    raise FaceportError(explain_import(error)) from error

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
_CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}

# First bytes of the formats above: they tell a damaged picture from a file that never was one.
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"BM", b"RIFF", b"II*\0", b"MM\0*")


def decode(picture: str | os.PathLike[str] | bytes, name: str = "") -> Image:
    """Decode a picture, a path or its bytes, upright as its EXIF orientation says.

    A truncated picture is refused, where cv2.imread would make up the part that is missing.
    """
    if isinstance(picture, bytes):
        name = name or "picture in memory"
        data = np.frombuffer(picture, np.uint8)
    else:
        name = name or os.fspath(picture)
        try:
            data = np.fromfile(picture, np.uint8)  # cv2.imread cannot open every Unicode path
        except OSError as error:
            raise ImageError(f"{name}: cannot be read: {error.strerror or error}") from error
    if not data.size:
        raise ImageError(f"{name}: the file is empty (0 bytes)")
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:  # e.g. more pixels than OpenCV allows
        raise ImageError(f"{name}: OpenCV refuses it: {error.err}") from error
    if pixels is None:
        head = data[:8].tobytes()
        if head.startswith(_SIGNATURES):
            raise ImageError(f"{name}: the picture is damaged or truncated ({data.size} bytes)")
        raise ImageError(f"{name}: not a picture that OpenCV can read (it starts with {head!r})")
    image: Image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return image


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Tell by its name whether a file is a picture."""
    return os.fspath(path).lower().endswith(PICTURES)


def is_video(path: str | os.PathLike[str]) -> bool:
    """Tell by its name whether a file is a video."""
    return os.fspath(path).lower().endswith(VIDEOS)


def find_pictures(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the pictures below a folder as relative paths with '/', sorted within each folder.

    Hidden files are passed over ('._x.jpg' is no picture), and so are folders below that hold what faceport
    itself wrote; links are followed, loops of links are not.
    """
    yield from _walk(os.fspath(folder), "", ())


def _walk(folder: str, prefix: str, above: tuple[str, ...]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        with os.scandir(folder) as listing:  # one folder at a time, so that few names are held at once
            entries = sorted((entry.name, entry.is_dir()) for entry in listing if entry.name[0] != ".")
    except OSError as error:
        raise FaceportError(f"{folder}: cannot be listed: {error.strerror or error}") from error
    if above and (FILE, False) in entries:
        return
    for name, is_folder in entries:
        if is_folder:
            yield from _walk(f"{folder}/{name}", f"{prefix}{name}/", (*above, real))
        elif is_picture(name):
            yield prefix + name


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


def write_picture(path: str | os.PathLike[str], image: Image) -> None:
    """Write an RGB picture in the format that its suffix names."""
    suffix = Path(path).suffix.lower()
    if suffix not in PICTURES:
        raise FaceportError(f"{os.fspath(path)}: cannot write '{suffix}' pictures; use {', '.join(PICTURES)}")
    try:
        Path(path).write_bytes(encode(image, suffix))
    except OSError as error:  # a full disk does not say whose
        with suppress(OSError):
            Path(path).unlink()  # half a picture
        raise FaceportError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from error


def encode(image: Image, suffix: str = ".jpg", quality: int = 95) -> bytes:
    """Encode an RGB picture; the quality (0..100) is for JPEG and WebP."""
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }.get(suffix, [])
    _, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()


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
