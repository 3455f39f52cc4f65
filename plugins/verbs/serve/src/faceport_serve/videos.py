"""Short videos that clients send: told by their first bytes, looked at frame by frame, with bounds."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from starlette.exceptions import HTTPException

from faceport.data.videos import probe_video, read_video
from faceport.errors import FaceportError
from faceport.types import Sample
from faceport_serve.limits import Limits

DAMAGED = "the video is damaged, or of a kind that OpenCV cannot read"


def video_suffix(data: bytes) -> str | None:
    """Tell which kind of video it is; None for none. Play lists, which name other files, are none."""
    if data[4:8] == b"ftyp":
        return ".mp4"
    if data.startswith(b"RIFF") and data[8:12] == b"AVI ":
        return ".avi"
    return ".mkv" if data.startswith(b"\x1a\x45\xdf\xa3") else None


class Film:
    """Frames of a video in a file of its own, which is gone at the end."""

    def __init__(self, data: bytes, suffix: str, stride: int, limits: Limits) -> None:
        self._lock = threading.Lock()  # a frame may still be decoded by a thread when nobody waits any more
        handle, name = tempfile.mkstemp(suffix, "faceport-")
        self._path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            try:
                facts = probe_video(self._path)
            except FaceportError as error:
                raise HTTPException(422, DAMAGED) from error
            if facts.width * facts.height > limits.pixels:
                raise HTTPException(
                    413, f"its frames have {facts.width}x{facts.height} pixels, more than {limits.pixels}"
                )
            self.fps, self._most, self._count = facts.fps, limits.frames, 0
            if -(-facts.frames // stride) > self._most:
                raise self._too_long()
            self._frames = read_video(self._path, stride, "video")
        except BaseException:
            self._path.unlink()
            raise

    def _too_long(self) -> HTTPException:
        return HTTPException(
            413,
            f"the video has more than {self._most} frames to look at: cut it, or look at fewer with stride=N",
        )

    def next(self) -> Sample | None:
        """Decode the next frame; None at the end."""
        with self._lock:
            try:
                frame = next(self._frames, None)
            except FaceportError as error:
                raise HTTPException(422, DAMAGED) from error
        self._count += frame is not None
        if self._count > self._most:  # containers may say what they like
            raise self._too_long()
        return frame

    def close(self) -> None:
        """Remove the file."""
        with self._lock:
            self._frames.close()
            self._path.unlink()
