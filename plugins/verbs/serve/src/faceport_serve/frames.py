"""Frames as cameras give them: YUYV and NV12 without a header, or pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from starlette.exceptions import HTTPException

from faceport.types import Image
from faceport_serve.limits import Limits
from faceport_serve.pictures import Picture, check_picture

PICTURE = "picture"


@dataclass(frozen=True)
class Format:
    """What the bytes of a frame are."""

    name: str = PICTURE  # picture: JPEG, PNG or WebP | yuyv | nv12
    width: int = 0
    height: int = 0

    @property
    def size(self) -> int:
        """Bytes of a frame."""
        pixels = self.width * self.height
        return 2 * pixels if self.name == "yuyv" else pixels * 3 // 2


def read_format(settings: Mapping[str, Any], limits: Limits) -> Format:
    """Read the format that a client says its frames have."""
    name = settings.get("format", PICTURE)
    if name == PICTURE:
        return Format()
    if name not in ("yuyv", "nv12"):
        raise HTTPException(400, f"format must be {PICTURE}, yuyv or nv12")
    width, height = (_side(settings.get(key)) for key in ("width", "height"))
    if not width or not height:
        raise HTTPException(400, f"format {name} needs width and height, whole and even numbers")
    if width * height > limits.pixels:
        raise HTTPException(413, f"frames have {width}x{height} pixels, more than {limits.pixels}")
    return Format(name, width, height)


def _side(value: Any) -> int:
    return value if type(value) is int and 0 < value <= 2**15 and value % 2 == 0 else 0


def read_frame(data: bytes, format_: Format, limits: Limits, name: str = "the frame") -> Picture:
    """Check a frame; it is converted by whoever looks at it."""
    if format_.name == PICTURE:
        return check_picture(data, limits, name)
    if len(data) != format_.size:
        raise HTTPException(
            422,
            f"a {format_.name} frame of {format_.width}x{format_.height} has {format_.size} bytes, "
            f"not {len(data)}",
        )
    return Picture(data, name, to_rgb(data, format_))


def to_rgb(data: bytes, format_: Format) -> Image:
    """Convert YUV of limited range (BT.601), as boards' cameras give it, to RGB."""
    values = np.frombuffer(data, np.uint8)
    if format_.name == "yuyv":
        packed = values.reshape(format_.height, format_.width, 2)
        return np.asarray(cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_YUYV), np.uint8)
    planes = values.reshape(format_.height * 3 // 2, format_.width)
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_NV12), np.uint8)
