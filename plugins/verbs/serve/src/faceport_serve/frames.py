"""Frames as cameras give them: YUYV and NV12 without a header, or pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException

from faceport.data.raw import FORMATS, Raw
from faceport_serve.limits import Limits
from faceport_serve.pictures import Picture, check_picture

PICTURE = "picture"


@dataclass(frozen=True)
class Format:
    """What the bytes of a frame are."""

    raw: Raw | None = None  # None: JPEG, PNG or WebP


def read_format(settings: Mapping[str, Any], limits: Limits) -> Format:
    """Read the format that a client says its frames have."""
    name = settings.get("format", PICTURE)
    if name == PICTURE:
        return Format()
    if name not in FORMATS:
        raise HTTPException(400, f"format must be {PICTURE}, {' or '.join(FORMATS)}")
    width, height = (_side(settings.get(key)) for key in ("width", "height"))
    if not width or not height:
        raise HTTPException(400, f"format {name} needs width and height, whole and even numbers")
    if width * height > limits.pixels:
        raise HTTPException(413, f"frames have {width}x{height} pixels, more than {limits.pixels}")
    return Format(Raw(name, width, height))


def _side(value: Any) -> int:
    return value if type(value) is int and 0 < value <= 2**15 and value % 2 == 0 else 0


def read_frame(data: bytes, format_: Format, limits: Limits, name: str = "the frame") -> Picture:
    """Check a frame; it is converted by whoever looks at it."""
    raw = format_.raw
    if raw is None:
        return check_picture(data, limits, name)
    if len(data) != raw.size:
        raise HTTPException(
            422,
            f"a {raw.name} frame of {raw.width}x{raw.height} has {raw.size} bytes, not {len(data)}",
        )
    return Picture(data, name, raw.rgb(data))
