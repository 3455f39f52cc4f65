"""Predictions as JSON lines: one picture a line, written as they come, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import orjson

from faceport.errors import FaceportError
from faceport.files import disk_errors
from faceport.types import FIELDS, Faces, Prediction, Sample

FILE = "predictions.jsonl"
MOST_NAMED = 100  # failures named in a record
ITEM_SHAPES = {"boxes": (4,), "points": (5, 2), "scores": ()}  # of one face; the others follow the data


def to_json(prediction: Prediction) -> bytes:
    """Write a prediction as one line."""
    faces = prediction.faces
    content: dict[str, Any] = {"id": prediction.id}
    if prediction.error:
        content["error"] = prediction.error
    for name in FIELDS[:-1]:
        value = getattr(faces, name)
        if value is not None:
            content[name] = _plain(value)
    if faces.attributes:
        content["attributes"] = {name: _plain(value) for name, value in faces.attributes.items()}
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def _plain(value: np.ndarray[Any, Any]) -> Any:
    return np.ascontiguousarray(value) if value.dtype.kind in "fiub" else value.tolist()


def from_json(line: bytes) -> Prediction:
    """Read a prediction from one line."""
    content = orjson.loads(line)
    arrays = {name: _array(name, content[name]) for name in FIELDS[:-1] if name in content}
    attributes = {name: np.asarray(value) for name, value in content.get("attributes", {}).items()}
    return Prediction(content["id"], Faces(**arrays, attributes=attributes), content.get("error", ""))


def _array(name: str, value: list[Any]) -> np.ndarray[Any, Any]:
    if name == "identities":
        return np.asarray(value)
    array = np.asarray(value, np.float32)
    if len(array):
        return array
    return array.reshape(0, *ITEM_SHAPES.get(name, (0, 2) if name == "landmarks" else (0,)))


def read_predictions(path: Path) -> Iterator[Prediction]:
    """Read a file of predictions; a broken line is an error, except a last one that was cut off."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield from_json(line)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise FaceportError(f"{path}:{number} is not a prediction: {error}") from error


class PredictionFile:
    """Append predictions to a file that survives a kill at any moment."""

    def __init__(self, path: Path, fresh: bool = False) -> None:
        self.path = path
        self.count = 0  # lines
        self.failures = 0
        self.named: dict[str, str] = {}  # the first failures: id -> why
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if fresh:
                path.unlink(missing_ok=True)
            end = self._take_stock() if path.is_file() else 0
            self._file = path.open("ab", buffering=0)
            self._file.truncate(end)

    def _take_stock(self) -> int:
        """Note what is there; give the position after the last whole line."""
        for prediction in read_predictions(self.path):
            self._note(prediction)
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                end += len(line) if line.endswith(b"\n") else 0
        return end

    def _note(self, prediction: Prediction) -> None:
        self.count += 1
        if prediction.error:
            self.failures += 1
            if len(self.named) < MOST_NAMED:
                self.named[prediction.id] = prediction.error

    def without_done(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """Skip the samples that are in the file; they must be the first ones, in the same order."""
        for prediction in islice(read_predictions(self.path), self.count):
            sample = next(samples, None)
            if sample is None or sample.id != prediction.id:
                there = f"'{sample.id}'" if sample else "nothing more"
                raise FaceportError(
                    f"{self.path} was made from other data: it goes on with '{prediction.id}' where the "
                    f"dataset has {there}. Start anew with fresh=true"
                )
        yield from samples

    def write(self, prediction: Prediction) -> None:
        """Append one prediction with a single system call."""
        line = to_json(prediction)
        with disk_errors(self.path):
            start = self._file.tell()
            try:
                while line:
                    line = line[self._file.write(line) :]
            except OSError:
                self._file.truncate(start)
                raise
        self._note(prediction)

    def __enter__(self) -> PredictionFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
