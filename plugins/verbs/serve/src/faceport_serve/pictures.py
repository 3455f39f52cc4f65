"""What clients send: bodies read with bounds, pictures checked by their first bytes before decoding."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from faceport.data.headers import picture_size
from faceport.data.pictures import decode
from faceport.types import Image
from faceport_serve.limits import Limits, Room

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"RIFF")  # JPEG, PNG, WebP
KINDS = "JPEG, PNG or WebP"
MOST_ENVELOPE = 10_000  # bytes around the pictures of a form
MOST_PARTS = 8  # of a multipart body


@dataclass(eq=False)
class Picture:
    """Bytes of a picture, decoded by whichever thread first wants to see it."""

    data: bytes
    name: str = "the picture"
    image: Image | None = None

    def __call__(self) -> Image:
        """Decode it."""
        if self.image is None:
            self.image = decode(self.data, self.name)
        return self.image


def check_picture(data: bytes, limits: Limits, name: str = "the picture") -> Picture:
    """Refuse what is no picture, or one of too many pixels, without decoding it."""
    if len(data) > limits.bytes:
        raise HTTPException(413, f"{name} has more than {limits.bytes} bytes")
    try:
        size = picture_size(data) if data.startswith(SIGNATURES) else None
    except ValueError as error:
        raise HTTPException(422, f"{name} is damaged: {error}") from error
    if size is None:
        raise HTTPException(415, f"{name} is no {KINDS}")
    if size[0] * size[1] > limits.pixels:
        raise HTTPException(413, f"{name} has {size[0]}x{size[1]} pixels, more than {limits.pixels}")
    return Picture(data, name)


async def read_body(request: Request, most: int, room: Room) -> bytes:
    """Read a body of at most so many bytes, holding room for it while it comes."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > most):
        raise HTTPException(413, f"the body has more than {most} bytes")
    data = bytearray()
    with room.upload():
        try:
            async for piece in request.stream():
                if len(data) + len(piece) > most:
                    raise HTTPException(413, f"the body has more than {most} bytes")
                room.hold(len(piece))
                data += piece
            return bytes(data)
        finally:
            room.free(len(data))


async def read_pictures(
    request: Request, names: tuple[str, ...], limits: Limits, room: Room
) -> list[Picture]:
    """Read one picture for each name."""
    files = await read_files(request, names, limits, room)
    shown = (f"the {name} picture" if len(names) > 1 else "the picture" for name in names)
    return [check_picture(data, limits, as_) for data, as_ in zip(files, shown, strict=True)]


async def read_files(request: Request, names: tuple[str, ...], limits: Limits, room: Room) -> list[bytes]:
    """Read one file for each name, from the parts of a form, or from a raw body where one is asked for."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = kind == "multipart/form-data"
    most = len(names) * limits.bytes + MOST_ENVELOPE if form else limits.bytes
    data = await read_body(request, most, room)
    if not form:
        if len(names) > 1:
            raise HTTPException(
                415, f"send a form (multipart/form-data) with the parts {' and '.join(names)}"
            )
        return [data]
    parts = await _parts(request, data)
    if len(names) == 1 and len(parts) == 1:  # one file is the picture, whatever its part is called
        parts = dict(zip(names, parts.values(), strict=True))
    lacking = [name for name in names if name not in parts]
    if lacking:
        raise HTTPException(400, f"the form has no file '{lacking[0]}'")
    return [parts[name] for name in names]


class _InMemory(MultiPartParser):
    """Parse a form whose bytes are in memory already, writing nothing to disk."""

    spool_max_size = 1 << 31


async def _parts(request: Request, data: bytes) -> dict[str, bytes]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield data

    try:
        form = await _InMemory(request.headers, stream(), max_files=MOST_PARTS, max_fields=MOST_PARTS).parse()
    except (MultiPartException, KeyError, ValueError, LookupError) as error:
        why = getattr(error, "message", "") or str(error)
        raise HTTPException(400, f"the form cannot be read: {why}") from error
    try:
        return {name: await file.read() for name, file in form.multi_items() if isinstance(file, UploadFile)}
    finally:
        await form.close()
