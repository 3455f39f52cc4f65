"""Pictures in and out: RGB uint8 arrays, and sentences for files that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from faceport.data.headers import picture_size, scans
from faceport.data.predictions import FILE
from faceport.errors import ConfigError, FaceportError, ImageError, explain_import
from faceport.escapes import printable
from faceport.files import read_file
from faceport.types import Image

try:
    import cv2
except ImportError as error:  # mostly libGL, which servers and slim containers lack
    raise FaceportError(explain_import(error)) from error

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

# First bytes of the formats above: they tell a damaged picture from a file that never was one.
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"BM", b"RIFF", b"II*\0", b"MM\0*")


MEGAPIXELS = "FACEPORT_MEGAPIXELS"  # the environment's say in how large a picture may be
MOST_MEGAPIXELS = 100.0
MOST_SCANS = 100  # of a progressive JPEG: a small file can have every pixel gone over thousands of times

# OpenCV 4.11 and later write RGB themselves, to the same bits, which saves a pass over the pixels. For other
# formats, some of which come out otherwise then, and with older versions the channels are turned round.
_RGB = getattr(cv2, "IMREAD_COLOR_RGB", None)


def decode(picture: str | os.PathLike[str] | bytes, name: str = "") -> Image:
    """Decode a picture, a path or its bytes, upright as its EXIF orientation says.

    A truncated picture is refused, where cv2.imread would make up the part that is missing. So is one of
    more than 100 megapixels, before it is decoded; the environment variable FACEPORT_MEGAPIXELS allows more.
    """
    if isinstance(picture, bytes):
        name, data = name or "picture in memory", picture
    else:
        name = name or printable(os.fspath(picture))
        try:
            data = read_file(picture)  # cv2.imread cannot open every Unicode path
        except (OSError, ValueError) as error:
            raise ImageError(f"{name}: cannot be read: {getattr(error, 'strerror', '') or error}") from error
    if not data:
        raise ImageError(f"{name}: the file is empty (0 bytes)")
    usual = data.startswith(_SIGNATURES)
    damaged = ImageError(f"{name}: the picture is damaged or truncated ({len(data)} bytes)")
    foreign = ImageError(f"{name}: not a picture that OpenCV can read (it starts with {data[:8]!r})")
    try:
        size = picture_size(data)
    except ValueError as error:
        raise damaged from error
    if size is None:  # nor is it decoded to see: what says no size may have any
        raise foreign
    _check_pixels(data, size, name)
    try:
        pixels = cv2.imdecode(
            np.frombuffer(data, np.uint8), _RGB if usual and _RGB is not None else cv2.IMREAD_COLOR
        )
    except cv2.error as error:  # e.g. more pixels than OpenCV allows
        raise ImageError(f"{name}: OpenCV refuses it: {error.err}") from error
    except MemoryError as error:
        raise ImageError(f"{name}: it does not fit into memory once it is decoded") from error
    if pixels is None:
        raise damaged if usual else foreign
    image: Image = pixels if usual and _RGB is not None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return image


def _check_pixels(data: bytes, size: tuple[int, int], name: str) -> None:
    """Refuse what would take minutes or gigabytes to decode."""
    width, height = size
    if width * height > 1e6 * most_megapixels():
        raise ImageError(
            f"{name}: it has {width}x{height} pixels, more than the {most_megapixels():g} megapixels "
            f"that are decoded; set {MEGAPIXELS} to allow more"
        )
    if data.startswith(b"\xff\xd8") and scans(data) > MOST_SCANS:
        raise ImageError(f"{name}: a JPEG of {scans(data)} scans, as only files made to do harm have")


def most_megapixels() -> float:
    """Say how large a picture may be; the environment variable FACEPORT_MEGAPIXELS has the last word."""
    setting = os.environ.get(MEGAPIXELS)
    if not setting:
        return MOST_MEGAPIXELS
    try:
        most = float(setting)
    except ValueError:
        most = 0.0
    if not 0 < most < float("inf"):
        raise ConfigError(f"{MEGAPIXELS}={setting} is no number of megapixels, e.g. {MEGAPIXELS}=200")
    return most


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Tell by its name whether a file is a picture."""
    return os.fspath(path).lower().endswith(PICTURES)


def find_pictures(folder: str | os.PathLike[str], suffixes: tuple[str, ...] = PICTURES) -> Iterator[str]:
    """Yield the pictures below a folder as relative paths with '/', sorted within each folder.

    Hidden files are passed over ('._x.jpg' is no picture), and so are folders below that hold what faceport
    itself wrote; links are followed, loops of links are not.
    """
    yield from _walk(os.fspath(folder), "", (), suffixes)


def _walk(folder: str, prefix: str, above: tuple[str, ...], suffixes: tuple[str, ...]) -> Iterator[str]:
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
            yield from _walk(f"{folder}/{name}", f"{prefix}{name}/", (*above, real), suffixes)
        elif name.lower().endswith(suffixes):
            yield prefix + name


def write_picture(path: str | os.PathLike[str], image: Image) -> None:
    """Write an RGB picture in the format that its suffix names."""
    try:
        Path(path).write_bytes(encode_for(path, image))
    except OSError as error:  # a full disk does not say whose
        with suppress(OSError):
            Path(path).unlink()  # half a picture
        raise FaceportError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from error


def encode_for(path: str | os.PathLike[str], image: Image) -> bytes:
    """Encode an RGB picture in the format that the suffix of a path names."""
    suffix = Path(path).suffix.lower()
    if suffix not in PICTURES:
        raise FaceportError(f"{os.fspath(path)}: cannot write '{suffix}' pictures; use {', '.join(PICTURES)}")
    try:
        return encode(image, suffix)
    except cv2.error as error:  # e.g. a side too long for JPEG or WebP
        raise FaceportError(f"{os.fspath(path)}: cannot be encoded: {error.err}") from error


def encode(image: Image, suffix: str = ".jpg", quality: int = 95) -> bytes:
    """Encode an RGB picture; the quality (0..100) is for JPEG and WebP."""
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }.get(suffix, [])
    _, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()
