"""What readers of published datasets share: pictures somewhere, labels by picture."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from faceport.api import Dataset
from faceport.data.archive import Archive, open_root
from faceport.data.pictures import decode
from faceport.errors import FaceportError, ImageError, MissingError
from faceport.escapes import printable
from faceport.files import expand, read_file
from faceport.types import Faces, Image, Sample

Name = TypeVar("Name", bound=Hashable)

MOST_DIGITS = 9  # of a number that counts something
ABSENT = "absent"  # where there are no pictures, whose state could be told


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
            return decode(self.pictures.read(self.file(sample)), printable(sample))
        except OSError as error:
            raise ImageError(
                f"{printable(sample)}: cannot be read from {self.pictures.path}: {error}"
            ) from error

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

    def read_annotations(self, name: str, archive: Archive | None = None) -> bytes:
        """Read an annotation file of the dataset's folder or archive, or of another."""
        archive = archive or self.root
        try:
            return archive.read(name)
        except OSError as error:
            why = error.strerror or error
            raise FaceportError(f"cannot read {printable(name)} in {archive.path}: {why}") from error

    def outside(self, path: str, option: str) -> bytes:
        """Read an annotation file that an option names, wherever it is."""
        try:
            return read_file(expand(path))
        except OSError as error:
            why = error.strerror or error
            raise MissingError(f"cannot read {path} (dataset.{option}): {why}") from error

    @cached_property
    def pictures_state(self) -> str:
        """Identify the bytes of the pictures by size and time of change, or by check sums of an archive.

        Whatever was made from the pictures (predictions, ranges for int8) is stale once this changes.
        """
        try:
            pictures = self.pictures
        except MissingError:  # predictions can be scored without
            return ABSENT
        return pictures.state(map(self.file, self.labels))

    def facts(self) -> Mapping[str, Any]:
        """Identify labels by protocol, number and content, pictures by their state."""
        return {
            "protocol": self.protocol,
            "pictures": len(self),
            "faces": sum(map(len, self.labels.values())),
            "labels_sha256": _digest(self.labels),
            "pictures_state": self.pictures_state,
        }

    def absent(self, what: str) -> MissingError:
        """Say what is missing, and where to get it."""
        return MissingError(f"{what}. {self.get}")


def _digest(labels: Mapping[str, Faces]) -> str:
    digest = hashlib.sha256()
    for sample, faces in labels.items():
        digest.update(sample.encode(errors="surrogatepass"))
        fields = {name: getattr(faces, name) for name in sorted(faces.fields - {"attributes"})}
        for name, value in (fields | dict(sorted(faces.attributes.items()))).items():
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
        raise FaceportError(f"{where}: {printable(error, 120)}") from error
    finite = np.abs(values) <= np.finfo(np.float32).max
    if not finite.all():
        wrong = printable(fields[int(np.argmin(finite))], 80)
        raise FaceportError(f"{where}: '{wrong}' is not a finite number")
    return values


def count_in(field: str | bytes) -> int | None:
    """Read how many there are of something, in digits; None where it is no such number, or absurdly large."""
    digits = field.strip()
    decimal = digits.isdigit() if isinstance(digits, bytes) else digits.isdecimal()
    return int(digits) if decimal and len(digits) <= MOST_DIGITS else None


def only_one(pictures: Iterable[str], where: str) -> dict[str, str]:
    """List pictures by their names without suffix; two that differ in it alone are an error."""
    found: dict[str, str] = {}
    for name in pictures:
        other = found.setdefault(name.rpartition(".")[0], name)
        if other != name:
            raise FaceportError(
                f"{where}: {printable(other)} and {printable(name)} could both be meant: remove one of them"
            )
    return found


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
