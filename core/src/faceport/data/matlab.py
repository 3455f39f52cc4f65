"""Read the MATLAB files that datasets are published as: numbers, texts and cells, every length checked.

Own code rather than scipy.io.loadmat, which a damaged file brings down with the whole process; this is a
fraction of the format (level 5: no structs, objects, sparse or complex numbers), it needs no other process,
and reads the files of WIDER FACE faster than SciPy is imported.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.data.unpacking import check_unpacked
from faceport.errors import FaceportError

Buffer = bytes | memoryview

_HEADER = 128  # bytes
_MATRIX, _COMPRESSED = 14, 15
_CELL, _TEXT, _NUMBERS = 1, 4, range(6, 16)  # classes of matrices; 6 to 15 are double to uint64
_COMPLEX = 0x0800
_DEEPEST = 8  # cells in cells; WIDER FACE needs three
_MOST_AXES = 32  # what NumPy allows
_CODES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
_DTYPES = {kind: np.dtype(code) for kind, code in _CODES.items()}
_LETTERS = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le", 18: "utf-32-le"}
_TAG = struct.Struct("<II")
_FLAGS = struct.Struct("<IIII")  # the tag, then class and flags, then what only sparse matrices use
_USUAL = struct.Struct("<IIIIIIiiII")  # the same, the tag and the shape of two axes, the tag of an empty name


class _DamageError(ValueError):
    """What is not as the format says."""


def read_matlab(path: str, content: bytes, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Read the variables of some names; cells become arrays of objects, texts arrays of a string a row.

    What a variable is made of keeps the type it is stored in. `path` names the file in errors.
    """
    variables: dict[str, NDArray[Any]] = {}
    try:
        _check_header(content)
        at = _HEADER
        while at < len(content):
            kind, start, size, _ = _element(content, at, len(content))
            at = start + size  # these are not padded
            data: Buffer = memoryview(content)[start : start + size]
            if kind == _COMPRESSED:
                data = _inflated(data, names)
            elif kind != _MATRIX:
                raise _DamageError(f"an element of type {kind} among its variables")
            name = _name(data)
            if name in variables:
                raise _DamageError(f"variable '{name}' is there twice")
            if name in names:
                variables[name] = _matrix(data, 0, len(data), 0)
    except (ValueError, OSError, zlib.error, struct.error, MemoryError) as error:
        raise FaceportError(f"{path}: not a MATLAB file that can be read, or damaged: {error}") from error
    return variables


def text_in(cell: NDArray[Any]) -> str:
    """Take the text out of a cell that must hold one; anything else is a ValueError."""
    if cell.dtype.kind != "U" or cell.shape != (1,) or not cell[0]:
        raise ValueError("a text is expected where there is none")
    return str(cell[0])


def _check_header(content: bytes) -> None:
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content.startswith(b"MATLAB 7.3"):
        raise _DamageError("it is of version 7.3 (HDF5); save it as the original is, with -v7")
    if len(content) < _HEADER:
        raise _DamageError(f"it has only {len(content)} bytes")
    if content[124:128] != b"\x00\x01IM":
        raise _DamageError("its header is not of level 5, little-endian")


def _element(data: Buffer, at: int, end: int) -> tuple[int, int, int, int]:
    """Read a tag: the type of an element, where its bytes begin, how many, where the next begins."""
    if at + 8 > end:
        raise _DamageError("an element is cut off")
    kind, size = _TAG.unpack_from(data, at)
    if kind >> 16:  # a small one: the bytes stand in the tag itself
        size, kind = kind >> 16, kind & 0xFFFF
        if size > 4:
            raise _DamageError(f"a small element of {size} bytes")
        return kind, at + 4, size, at + 8
    start = at + 8
    if size > end - start:
        raise _DamageError(f"an element of {size} bytes where {end - start} are left")
    return kind, start, size, start + size + (-size & 7)


def _inflated(packed: Buffer, names: Collection[str]) -> Buffer:
    """Unpack a variable; of one that is not wanted only the beginning, which has its name."""
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(packed, 1024)
    kind, start, size, _ = _element(data, 0, 1 << 32)
    if kind != _MATRIX:
        raise _DamageError(f"a packed element of type {kind}, not a variable")
    if _name(data[start:]) in names:
        check_unpacked("a variable", size, len(packed))
        data += unpacker.decompress(unpacker.unconsumed_tail, max(1, size + 8 - len(data)))
        if len(data) < start + size:
            raise _DamageError("a packed variable is cut off")
        if not unpacker.eof:  # the check sum comes after the last byte
            unpacker.decompress(unpacker.unconsumed_tail, 1)
            if not unpacker.eof:
                raise _DamageError("a packed variable is longer than it says")
    return memoryview(data)[start : start + size]


def _top(data: Buffer, at: int, end: int) -> tuple[int, tuple[int, ...], str, int]:
    """Read what a matrix begins with: class and flags, shape, name; give where the contents begin."""
    if at + 40 <= end:
        kind, size, flags, _, second, axes, rows, columns, third, letters = _USUAL.unpack_from(data, at)
        if (kind, size, second, axes, third, letters) == (6, 8, 5, 8, 1, 0) and rows >= 0 and columns >= 0:
            return flags, (rows, columns), "", at + 40  # two axes and no name, as all that lie in cells
    if at + 16 > end:
        raise _DamageError("a matrix is cut off")
    kind, size, flags, _ = _FLAGS.unpack_from(data, at)
    if (kind, size) != (6, 8):
        raise _DamageError("a matrix begins without its class")
    kind, start, size, at = _element(data, at + 16, end)
    if kind != 5 or size % 4 or not 8 <= size <= 4 * _MOST_AXES:
        raise _DamageError("a matrix has no shape")
    shape = struct.unpack_from(f"<{size // 4}i", data, start)
    if min(shape) < 0:
        raise _DamageError(f"a matrix of shape {shape}")
    kind, start, size, at = _element(data, at, end)
    if kind != 1:
        raise _DamageError("a matrix has no name")
    return flags, shape, bytes(data[start : start + size]).decode("latin-1"), at


def _name(data: Buffer) -> str:
    return _top(data, 0, len(data))[2]


def _matrix(data: Buffer, at: int, end: int, depth: int) -> NDArray[Any]:
    """Read a matrix of any class that datasets use."""
    flags, shape, _, at = _top(data, at, end)
    class_, count = flags & 0xFF, math.prod(shape)
    if class_ == _CELL:
        return _cells(data, at, end, shape, depth)
    if class_ not in _NUMBERS and class_ != _TEXT:
        raise _DamageError(f"a matrix of class {class_}, which is no number, text or cell")
    if flags & _COMPLEX:
        raise _DamageError("a matrix of complex numbers")
    if class_ == _TEXT and not count:
        return np.empty(0, dtype=np.str_)
    kind, start, size, _ = _element(data, at, end)
    if class_ == _TEXT:
        return _text(bytes(data[start : start + size]), kind, shape)
    if kind not in _DTYPES:
        raise _DamageError(f"numbers of type {kind}")
    dtype = _DTYPES[kind]
    if size != count * dtype.itemsize:
        raise _DamageError(f"{size} bytes for {count} numbers of {dtype.itemsize} bytes")
    if not count:
        return np.empty(shape, dtype)
    return np.frombuffer(data, dtype, count, start).reshape(shape, order="F")


def _cells(data: Buffer, at: int, end: int, shape: tuple[int, ...], depth: int) -> NDArray[np.object_]:
    """Read as many matrices as there are cells, which MATLAB writes column by column."""
    count = math.prod(shape)
    if depth == _DEEPEST:
        raise _DamageError(f"cells in cells, more than {_DEEPEST} deep")
    if count * 8 > end - at:
        raise _DamageError(f"{count} cells in {end - at} bytes")
    cells = np.empty(count, dtype=np.object_)
    for i in range(count):
        kind, start, size, at = _element(data, at, end)
        if kind != _MATRIX:
            raise _DamageError(f"a cell holds an element of type {kind}")
        cells[i] = _matrix(data, start, start + size, depth + 1) if size else np.empty((0, 0))
    return cells.reshape(shape, order="F")


def _text(letters: bytes, kind: int, shape: tuple[int, ...]) -> NDArray[np.str_]:
    """Read a text, or several of one length: a row of letters each."""
    if kind not in _LETTERS:
        raise _DamageError(f"a text of type {kind}")
    text = letters.decode(_LETTERS[kind])
    if len(shape) != 2 or len(text) != math.prod(shape):
        raise _DamageError(f"a text of {len(text)} letters in a matrix of shape {shape}")
    rows = shape[0]
    return np.array([text] if rows == 1 else [text[row::rows] for row in range(rows)], dtype=np.str_)
