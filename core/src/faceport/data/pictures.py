"""Pictures in and out: RGB uint8 arrays, and sentences for files that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from faceport.data.predictions import FILE
from faceport.errors import FaceportError, ImageError, explain_import
from faceport.types import Image

try:
    import cv2
except ImportError as error:  # mostly libGL, which servers and slim containers lack
    raise FaceportError(explain_import(error)) from error

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

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
