"""Predictions as JSON lines: one picture a line, written as they come, whole or not at all."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from types import NoneType, TracebackType
from typing import IO, Any

import numpy as np
import orjson

from faceport.errors import BusyError, FaceportError
from faceport.escapes import printable
from faceport.files import disk_errors, open_file
from faceport.types import ARRAYS, FIELDS, Faces, Prediction, Sample

FILE = "predictions.jsonl"
MOST_NAMED = 100  # failures named in a record
MOST_LINE = 64 << 20  # bytes of one prediction
MOST_LETTERS = 4096  # of an id, an identity, a text among the attributes
KEYS = {"id", "error", *FIELDS}
ID = re.compile(rb'\{"id":"([^"\\]{1,%d})"[,}]' % MOST_LETTERS)  # how to_json() begins a line
# Of one face; None is a length that follows the data. What is not labelled is null, among landmarks only.
SHAPES: dict[str, tuple[int | None, ...]] = {
    "boxes": (4,),
    "scores": (),
    "points": (5, 2),
    "landmarks": (None, 2),
    "embeddings": (None,),
}


def to_json(prediction: Prediction) -> bytes:
    """Write a prediction as one line."""
    faces = prediction.faces
    content: dict[str, Any] = {"id": prediction.id}
    if prediction.error:
        content["error"] = prediction.error
    for name in ARRAYS:
        value = getattr(faces, name)
        if value is not None:
            content[name] = _plain(value)
    if faces.attributes:
        content["attributes"] = {name: _plain(value) for name, value in faces.attributes.items()}
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def _plain(value: np.ndarray[Any, Any]) -> Any:
    return np.ascontiguousarray(value) if value.dtype.kind in "fiub" else value.tolist()


def from_json(line: bytes) -> Prediction:
    """Read a prediction from one line; what does not fit is a ValueError that names the key."""
    content = orjson.loads(line)
    if not isinstance(content, dict):
        raise ValueError("expected an object in braces")
    strange = content.keys() - KEYS
    if strange:
        raise ValueError(
            f"there is no field '{printable(min(strange), 40)}'; there are {', '.join(sorted(KEYS))}"
        )
    id_, error = content.get("id"), content.get("error", "")
    if not isinstance(id_, str) or not 0 < len(id_) <= MOST_LETTERS:
        raise ValueError(f"id: expected a text, found {_shown(id_)}")
    if not isinstance(error, str):
        raise ValueError(f"error: expected a text, found {_shown(error)}")
    fields: dict[str, Any] = {name: _array(name, content[name]) for name in SHAPES if name in content}
    if "identities" in content:
        fields["identities"] = _names("identities", content["identities"])
    attributes = content.get("attributes", {})
    if not isinstance(attributes, dict):
        raise ValueError(f"attributes: expected an object in braces, found {_shown(attributes)}")
    fields["attributes"] = {name: _attribute(name, value) for name, value in attributes.items()}
    return Prediction(id_, Faces(**fields), error)


def _shown(value: Any) -> str:
    return "nothing" if value is None else printable(repr(value), 60)


def _array(name: str, value: Any) -> np.ndarray[Any, Any]:
    """Read the numbers of a field, all of one shape and finite as float32."""
    shape = SHAPES[name]
    if value == []:
        return np.empty((0, *(size or 0 for size in shape)), np.float32)
    try:
        flat, sizes = _flat(value, len(shape))
        if all(size and wanted in (None, size) for size, wanted in zip(sizes[1:], shape, strict=True)):
            numbers = _float32(flat, name).reshape(sizes)
            if np.isinf(numbers).any():
                raise ValueError(f"{name}: a number is too large")
            return numbers
    except TypeError:
        pass
    axes = ", ".join(["faces", *("any" if size is None else str(size) for size in shape)])
    raise ValueError(f"{name}: expected numbers of shape ({axes}), found {_shown(value)}")


def _flat(value: Any, depth: int) -> tuple[list[Any], tuple[int, ...]]:
    """Give the items of lists in lists and their shape; what is no list or uneven is a TypeError."""
    if not isinstance(value, list):
        raise TypeError
    sizes = [len(value)]
    for _ in range(depth):
        if {*map(type, value)} != {list} or len({*map(len, value)}) != 1:
            raise TypeError
        sizes.append(len(value[0]))
        value = [*chain.from_iterable(value)]
    return value, tuple(sizes)


def _float32(flat: list[Any], name: str) -> np.ndarray[Any, Any]:
    """Convert numbers and nothing else; null is for landmarks that are not labelled."""
    try:
        return np.frombuffer(array("f", flat), np.float32)  # twice as quick as NumPy, which takes texts, too
    except TypeError:
        if name != "landmarks" or not {*map(type, flat)} <= {int, float, NoneType}:
            raise
        return np.array(flat, np.float32)


def _names(name: str, value: Any) -> np.ndarray[Any, Any]:
    """Read texts or whole numbers, one for each face."""
    kinds = {*map(type, value)} if isinstance(value, list) else {None}
    if not (kinds <= {str} or kinds == {int}) or (kinds == {str} and max(map(len, value)) > MOST_LETTERS):
        raise ValueError(f"{name}: expected a list of texts or of whole numbers, found {_shown(value)}")
    return np.asarray(value)


def _attribute(name: str, value: Any) -> np.ndarray[Any, Any]:
    """Read an attribute: numbers, truths or texts, a row of any shape for each face."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return _names(f"attributes.{printable(name, 40)}", value)
    rows = value
    while isinstance(rows, list) and rows and isinstance(rows[0], list):
        rows = [*chain.from_iterable(row if isinstance(row, list) else [None] for row in rows)]
    kinds = {*map(type, rows)} if isinstance(rows, list) else {None}
    try:
        if not kinds <= {bool, int, float}:
            raise ValueError
        return np.asarray(value)
    except (ValueError, OverflowError):
        raise ValueError(
            f"attributes.{printable(name, 40)}: expected as many numbers for each face, found {_shown(value)}"
        ) from None


def read_predictions(path: Path) -> Iterator[Prediction]:
    """Read a file of predictions; a broken line is an error, except a last one that was cut off.

    So are two predictions for one picture: which of them counts, nobody could say.
    """
    seen: set[int] = set()  # hashes, which take less room than the ids
    for number, line in _lines(path):
        prediction = _parsed(path, number, line)
        if hash(prediction.id) in seen:
            _check_once(path, prediction.id, number)
        seen.add(hash(prediction.id))
        yield prediction


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the whole lines of a file with their numbers, one in memory at a time."""
    with _opened(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(MOST_LINE), b""), 1):
            if not line.endswith(b"\n"):
                if len(line) == MOST_LINE:
                    raise FaceportError(
                        f"{path}:{number} has more than {MOST_LINE:,} bytes: no prediction has"
                    )
                return
            yield number, line


def _parsed(path: Path, number: int, line: bytes) -> Prediction:
    try:
        return from_json(line)
    except (ValueError, TypeError) as error:
        raise FaceportError(f"{path}:{number} is not a prediction: {error}") from error


def _id_and_error(path: Path, number: int, line: bytes) -> tuple[str, str]:
    """Read a line no further than a run needs that goes on; scoring reads all of it."""
    start = ID.match(line)
    if start and line.endswith(b"}\n") and b'"error"' not in line:
        with suppress(UnicodeDecodeError):
            return start[1].decode(), ""
    prediction = _parsed(path, number, line)
    return prediction.id, prediction.error


def _opened(path: Path) -> IO[bytes]:
    try:
        return open_file(path)
    except OSError as error:
        raise FaceportError(f"cannot read {path}: {error.strerror}") from error


def _check_once(path: Path, id_: str, number: int) -> None:
    """Look whether an id really was there before; hashes may agree by chance."""
    with path.open("rb") as file:
        for earlier, line in enumerate(islice(file, number - 1), 1):
            if orjson.loads(line)["id"] == id_:
                raise FaceportError(
                    f"{path}:{number}: there are two predictions for '{printable(id_)}', "
                    f"the other one in line {earlier}"
                )


class PredictionFile:
    """Append predictions to a file that survives a kill at any moment."""

    def __init__(self, path: Path, fresh: bool = False) -> None:
        self.path = path
        self.count = 0  # lines
        self.failures = 0
        self.named: dict[str, str] = {}  # the first failures: id -> why
        self._numbers: dict[str, int] = {}  # id -> line
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        try:
            _lock(self._file, path)
            # Truncated rather than removed: another process may hold the file that is there.
            self._file.truncate(0 if fresh else self._take_stock())
        except BaseException:
            self._file.close()
            raise

    def _take_stock(self) -> int:
        """Note what is there; give the position after the last whole line."""
        end = 0
        for number, line in _lines(self.path):
            id_, error = _id_and_error(self.path, number, line)
            if id_ in self._numbers:
                _check_once(self.path, id_, number)
            self._note(id_, error)
            end += len(line)
        return end

    def _note(self, id_: str, error: str) -> None:
        self.count += 1
        self._numbers[id_] = self.count
        if error:
            self.failures += 1
            if len(self.named) < MOST_NAMED:
                self.named[id_] = error

    def without_done(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """Skip the samples that are in the file; they must be the first ones, in the same order."""
        for number, line in islice(_lines(self.path), self.count):
            id_, _ = _id_and_error(self.path, number, line)
            sample = next(samples, None)
            if sample is None or sample.id != id_:
                there = f"'{sample.id}'" if sample else "nothing more"
                raise FaceportError(
                    f"{self.path} was made from other data: it goes on with '{id_}' where the "
                    f"dataset has {there}. Start anew with fresh=true"
                )
        yield from samples

    def write(self, prediction: Prediction) -> None:
        """Append one prediction with a single system call.

        What a model says in numbers that are not finite is no answer: it is written down as a failure.
        """
        wrong = not_finite(prediction.faces)
        if wrong:
            why = f"the model answered with numbers that are not finite ({', '.join(wrong)})"
            prediction = Prediction(prediction.id, Faces(), prediction.error or f"{prediction.id}: {why}")
        earlier = self._numbers.get(prediction.id)
        if earlier:
            raise twice(prediction.id, earlier, self.count + 1)
        line = to_json(prediction)
        with disk_errors(self.path):
            start = self._file.tell()
            try:
                while line:
                    line = line[self._file.write(line) :]
            except OSError:
                self._file.truncate(start)
                raise
        self._note(prediction.id, prediction.error)

    def __enter__(self) -> PredictionFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            os.fsync(self._file.fileno())  # what is said to be done survives a power cut
        self._file.close()


def twice(id_: str, earlier: int, later: int) -> FaceportError:
    """Say that data have two pictures of one name: their numbers would be mixed up."""
    return FaceportError(
        f"there are two pictures with the id '{printable(id_)}', numbers {earlier} and {later} of the data: "
        "each must have an id of its own"
    )


def not_finite(faces: Faces) -> list[str]:
    """List the fields with numbers that are not finite; landmarks may be, where they are not labelled."""
    values = {name: getattr(faces, name) for name in SHAPES if name != "landmarks"} | dict(faces.attributes)
    return [
        name
        for name, value in values.items()
        if value is not None and value.dtype.kind == "f" and not np.isfinite(value).all()
    ]


def _lock(file: IO[bytes], path: Path) -> None:
    """Keep other processes from writing to a file as long as it is open; a kill lets go of it, too."""
    try:
        import fcntl
    except ImportError:  # Windows opens no file twice for writing by accident
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BusyError(
            f"{path.parent} is being written to by another process: wait for it, or choose another out="
        ) from error
    except OSError:  # some network file systems have no locks
        return
