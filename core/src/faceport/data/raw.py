"""Frames as cameras give them: YUYV (which is YUY2) and NV12, without a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from faceport.errors import ConfigError, ImageError
from faceport.types import Image

FORMATS = ("yuyv", "nv12")
FILES = (".yuyv", ".yuy2", ".yuv", ".nv12", ".raw", ".bin")  # what such files are called


@dataclass(frozen=True)
class Raw:
    """What the bytes of a frame are: BT.601 of limited range, as boards' cameras give it."""

    name: str  # of FORMATS
    width: int  # even
    height: int  # even

    @property
    def size(self) -> int:
        """Bytes of a frame."""
        pixels = self.width * self.height
        return 2 * pixels if self.name == "yuyv" else pixels * 3 // 2

    def rgb(self, data: bytes) -> Image:
        """Convert one frame."""
        values = np.frombuffer(data, np.uint8)
        if self.name == "yuyv":
            packed = values.reshape(self.height, self.width, 2)
            return np.asarray(cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_YUYV), np.uint8)
        planes = values.reshape(self.height * 3 // 2, self.width)
        return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_NV12), np.uint8)

    def frames(self, path: Path) -> Iterator[partial[Image]]:
        """Give what decodes each frame of a file, which is read one frame at a time."""
        for number in range(self.count(path)):
            yield partial(self._frame, path, number)

    def count(self, path: Path) -> int:
        """Count the frames of a file; refuse one that holds no whole number of them."""
        size = path.stat().st_size
        if not size or size % self.size:
            raise ImageError(
                f"{path}: its {size} bytes are no whole frames of {self.name}, {self.width}x{self.height}, "
                f"which have {self.size} each"
            )
        return size // self.size

    def _frame(self, path: Path, number: int) -> Image:
        with path.open("rb") as file:
            file.seek(number * self.size)
            data = file.read(self.size)
        if len(data) != self.size:
            raise ImageError(f"{path}: it became shorter while it was read")
        return self.rgb(data)


def read_raw(text: str) -> Raw:
    """Read a format as options write it, e.g. yuyv:640x480."""
    match = re.fullmatch(rf"({'|'.join(FORMATS)}):(\d+)x(\d+)", text)
    width, height = (int(match[2]), int(match[3])) if match else (0, 0)
    if not match or not (0 < width <= 2**15 and 0 < height <= 2**15) or width % 2 or height % 2:
        raise ConfigError(
            f"'{text}' is no format of raw frames: say {' or '.join(FORMATS)} and an even width and height, "
            "e.g. yuyv:640x480"
        )
    return Raw(match[1], width, height)
