"""How large a picture says it is, read from its first bytes: before anything is decoded."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

Size = tuple[int, int]  # width, height

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of JPEG that a frame begins with
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}  # of these, those whose scans may cost next to no bytes
_SCAN, _END = b"\xff\xda", b"\xff\xd9"


def picture_size(data: bytes) -> Size | None:
    """Read the size of a picture; None where the format is not known, a ValueError where it does not say."""
    for magic, read in _READERS:
        if magic.match(data):
            try:
                size = read(data)
            except (struct.error, IndexError) as error:
                raise ValueError("the header is cut off") from error
            if size is None:
                raise ValueError("the header names no size")
            return size
    return None


def scans(data: bytes) -> int:
    """Count how often a progressive JPEG goes over all its pixels: some ten times, as a rule; others once."""
    kinds = dict(_markers(data))
    if 0xDA not in kinds or not kinds.keys() & _PROGRESSIVE:
        return 1
    end = data.find(_END, kinds[0xDA])
    return data.count(_SCAN, kinds[0xDA] - 2, len(data) if end < 0 else end)


def _markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Go through the segments of a JPEG up to the first scan: the marker, and where its length stands."""
    at = 2
    while 0 <= (at := data.find(b"\xff", at)) <= len(data) - 4:  # decoders skip what is between segments
        marker = data[at + 1]
        if marker in (0x00, 0xFF):  # no marker, or bytes to fill up with
            at += 1
            continue
        yield marker, at + 2
        if marker in (0xD9, 0xDA):
            return
        alone = marker == 0x01 or 0xD0 <= marker <= 0xD8
        at += 2 if alone else 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _jpeg(data: bytes) -> Size | None:
    for marker, at in _markers(data):
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            return width, height
    return None


def _png(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _bmp(data: bytes) -> Size:
    old = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return abs(width), abs(height)  # a negative height: from top to bottom


def _gif(data: bytes) -> Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff(data: bytes) -> Size | None:
    """Read the first directory: tags 256 and 257, of which the largest that are given."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    start = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)[0]
    count = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, start)[0]
    values: dict[int, int] = {}
    for entry in range(min(count, 4096)):
        at = start + (8 + 20 * entry if big else 2 + 12 * entry)
        tag, type_ = struct.unpack_from(f"{order}HH", data, at)
        if tag in (256, 257):
            form = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(type_, "I")
            value: int = struct.unpack_from(f"{order}{form}", data, at + (12 if big else 8))[0]
            values[tag] = max(value, values.get(tag, 0))
    return (values[256], values[257]) if len(values) == 2 else None


def _jpeg2000(data: bytes) -> Size | None:
    start = 0 if data.startswith(b"\xff\x4f") else data.find(b"\xff\x4f\xff\x51")
    if start < 0:
        return None
    width, height, left, top = struct.unpack_from(">IIII", data, start + 8)
    return max(0, width - left), max(0, height - top)


def _avif(data: bytes) -> Size | None:
    """Take the largest size that is named: a picture may be made of tiles and have a small one beside it."""
    sizes = [struct.unpack_from(">II", data, match.end() + 4) for match in re.finditer(b"ispe", data[:65536])]
    return max(sizes, key=lambda size: size[0] * size[1]) if sizes else None


def _netpbm(data: bytes) -> Size | None:
    words = re.sub(rb"#[^\n]*", b"", data[:4096]).split()
    if words[0] == b"P7":
        fields = dict(zip(words[1::2], words[2::2], strict=False))
        return _number(fields.get(b"WIDTH", b"")), _number(fields.get(b"HEIGHT", b""))
    return _number(words[1]), _number(words[2])


def _number(word: bytes) -> int:
    if not word.isdigit() or len(word) > 18:
        raise ValueError(word)
    return int(word)


def _radiance(data: bytes) -> Size | None:
    match = re.search(rb"\n[-+]([XY]) (\d{1,18}) [-+][XY] (\d{1,18})\s", data[:65536])
    if not match:
        return None
    first, second = int(match[2]), int(match[3])
    return (first, second) if match[1] == b"X" else (second, first)


def _sun(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 4)
    return width, height


_READERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], Size | None]], ...] = tuple(
    (re.compile(magic, re.DOTALL), read)
    for magic, read in (
        (rb"\xff\xd8", _jpeg),
        (rb"\x89PNG\r\n", _png),
        (rb"BM", _bmp),
        (rb"GIF8", _gif),
        (rb"RIFF....WEBP", _webp),
        (rb"II[*+]\0|MM\0[*+]", _tiff),
        (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP", _jpeg2000),
        (rb"....ftyp(avif|avis|mif1|heic)", _avif),
        (rb"P[1-7Ff]\s", _netpbm),
        (rb"#\?R(ADIANCE|GBE)", _radiance),
        (rb"\x59\xa6\x6a\x95", _sun),
    )
)
