"""What readers of published datasets share: pictures somewhere, labels by picture."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from faceport.api import Dataset
from faceport.data.archive import Archive, open_root
from faceport.data.pictures import decode
from faceport.errors import FaceportError, ImageError, MissingError
from faceport.types import Faces, Image, Sample

Name = TypeVar("Name", bound=Hashable)


class LabelledPictures(Dataset):
    """Stream pictures of a folder or archive with their labels, which can be had without any picture."""

    get: ClassVar[str] = ""  # where to get the dataset, its licence, how it must lie

    @property
    @abstractmethod
    def labels(self) -> Mapping[str, Faces]:
        """Truth by id, in the order of the dataset; make it a cached_property."""

    @property
    def pictures(self) -> Archive:
        """Where the pictures are; make it a cached_property where it is not the root."""
        return self.root

    @property
    @abstractmethod
    def protocol(self) -> str:
        """Name the dataset, its split and what else decides which faces are scored."""

    def file(self, sample: str) -> str:
        """Give the file name of a sample's picture."""
        return sample

    def read(self, sample: str) -> Image:
        """Decode the picture of a sample."""
        try:
            return decode(self.pictures.read(self.file(sample)), sample)
        except OSError as error:
            raise ImageError(f"{sample}: cannot be read from {self.pictures.path}: {error}") from error

    def __iter__(self) -> Iterator[Sample]:
        for sample, faces in self.labels.items():
            yield Sample(sample, partial(self.read, sample), truth=faces)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def root(self) -> Archive:
        """Open the dataset's folder or archive."""
        try:
            return open_root(self.options.root)
        except MissingError as error:
            raise self.absent(str(error)) from error

    def part(self, *folders: str) -> Archive:
        """Open the first of some folders that is there, packed or not."""
        for folder in folders:
            found = self.root.within(folder)
            if found:
                return found
        raise self.absent(f"there is no {' or '.join(folders)} in {self.root.path}")

    def annotation(self, *names: str) -> str:
        """Choose the first of some annotation files that is there."""
        for name in names:
            if name in self.root:
                return name
        raise self.absent(f"there is no {' or '.join(names)} in {self.root.path}")

    def outside(self, path: str, option: str) -> bytes:
        """Read an annotation file that an option names, wherever it is."""
        try:
            return Path(path).expanduser().read_bytes()
        except OSError as error:
            raise MissingError(f"cannot read {path} (dataset.{option}): {error.strerror}") from error

    def facts(self) -> Mapping[str, Any]:
        """Identify the labels that are used, by protocol, number and content."""
        return {
            "protocol": self.protocol,
            "pictures": len(self),
            "faces": sum(map(len, self.labels.values())),
            "labels_sha256": _digest(self.labels),
        }

    def absent(self, what: str) -> MissingError:
        """Say what is missing, and where to get it."""
        return MissingError(f"{what}. {self.get}")


def _digest(labels: Mapping[str, Faces]) -> str:
    digest = hashlib.sha256()
    for sample, faces in labels.items():
        digest.update(sample.encode())
        known = {name: getattr(faces, name) for name in sorted(faces.known - {"attributes"})}
        for name, value in (known | dict(sorted(faces.attributes.items()))).items():
            digest.update(name.encode())
            digest.update(value.tobytes() if value.dtype.kind in "fiub" else str(value.tolist()).encode())
    return digest.hexdigest()


def lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text that are not empty, with their numbers, whatever their ends and encoding."""
    for number, line in enumerate(content.decode("utf-8", "backslashreplace").split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def numbers(fields: Sequence[str], where: str) -> NDArray[np.float64]:
    """Convert the fields of a line; what is no finite number, as float32, is an error that names the line."""
    try:
        values = np.array(fields, dtype=np.float64)
    except ValueError as error:
        raise FaceportError(f"{where}: {error}") from error
    finite = np.abs(values) <= np.finfo(np.float32).max
    if not finite.all():
        raise FaceportError(f"{where}: '{fields[int(np.argmin(finite))]}' is not a finite number")
    return values


def extents(landmarks: NDArray[Any]) -> NDArray[np.float32]:
    """Give the boxes that landmarks span, where nothing better is known: (n, k, 2) -> (n, 4)."""
    return np.concatenate([np.nanmin(landmarks, axis=1), np.nanmax(landmarks, axis=1)], axis=1).astype(
        np.float32
    )


def by_picture(names: Sequence[str], faces: Faces) -> dict[str, Faces]:
    """Gather rows of one face each by their pictures, in the order in which the pictures come first."""
    return {name: faces[np.array(chosen)] for name, chosen in rows_of(names).items()}


def rows_of(names: Sequence[Name]) -> dict[Name, list[int]]:
    """List which rows are of each picture, in the order in which the pictures come first."""
    rows: dict[Name, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return rows


def by_pair(pairs: Sequence[tuple[str, str, bool]]) -> dict[str, dict[str, NDArray[Any]]]:
    """Tell of each picture which pairs it is in: attributes "pair" (a number) and "same", (1, k) each."""
    members: dict[str, list[tuple[int, bool]]] = {}
    for number, (first, second, same) in enumerate(pairs):
        members.setdefault(first, []).append((number, same))
        members.setdefault(second, []).append((number, same))
    return {
        name: {
            "pair": np.array([[number for number, _ in own]]),
            "same": np.array([[same for _, same in own]]),
        }
        for name, own in members.items()
    }
