"""Read files out of a folder, a zip or a tar alike, from many threads at once."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import struct
import tarfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from faceport.data.unpacking import check_ratio, check_unpacked
from faceport.errors import FaceportError, MissingError
from faceport.files import MOST_BYTES, expand, read_file, state_of
from faceport.places import OutsideError, inside

Member = TypeVar("Member")

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MOST_MEMBERS = 5_000_000
ENCRYPTED = 1  # a flag of a zip's member
PACKERS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}  # by first bytes

# What the standard library raises where an archive is damaged, or packed in a way that it does not know.
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, struct.error, ValueError),
    *(NotImplementedError, RuntimeError, IndexError, KeyError, OverflowError),
)


class Archive(ABC):
    """Files by their relative name, with '/' on every system."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def names(self) -> Iterator[str]:
        """Yield the names of all files."""

    @abstractmethod
    def __contains__(self, name: object) -> bool:
        """Tell whether there is a file of this name."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Read a whole file; what cannot be read is an OSError."""

    @abstractmethod
    def state(self, names: Iterable[str]) -> str:
        """Identify what some files hold, without reading them; another state may mean other contents."""

    def within(self, folder: str) -> Archive | None:
        """Look into a folder; None where there is no such folder."""
        return Within(self, folder) if any(name.startswith(f"{folder}/") for name in self.names()) else None


class Folder(Archive):
    """The files below a folder."""

    def names(self) -> Iterator[str]:
        """Yield the names of all files, sorted within each folder."""
        for folder, folders, files in os.walk(self.path):
            folders.sort()
            below = Path(folder).relative_to(self.path)
            yield from ((below / name).as_posix() for name in sorted(files))

    def __contains__(self, name: object) -> bool:
        try:
            return inside(self.path, str(name)).is_file()
        except OutsideError:
            return False

    def read(self, name: str) -> bytes:
        """Read a whole file; names that lead out of the folder are refused."""
        try:
            return read_file(inside(self.path, name))
        except OutsideError as error:
            raise OSError(str(error)) from error

    def state(self, names: Iterable[str]) -> str:
        """Identify files by size and time of change: bytes that are other ones under an old name are seen."""
        digest = hashlib.sha256()
        root = os.fspath(self.path)
        for name in names:
            outside = "\0" in name or "/../" in f"/{name}/"
            known = "absent" if outside else state_of(f"{root}/{name}")
            digest.update(f"{name}\0{known}\n".encode(errors="surrogatepass"))
        return digest.hexdigest()

    def within(self, folder: str) -> Archive | None:
        """Look into a folder, or into an archive that is still packed beside where it would be."""
        if (self.path / folder).is_dir():
            return Folder(self.path / folder)
        for suffix in SUFFIXES:
            packed = self.path / f"{folder}{suffix}"
            if packed.is_file():
                return open_root(packed)
        return None


class Within(Archive):
    """The files below a folder of an archive."""

    def __init__(self, archive: Archive, folder: str) -> None:
        super().__init__(archive.path / folder)
        self._archive, self._prefix = archive, f"{folder}/"

    def names(self) -> Iterator[str]:
        """Yield the names of all files, in the order of the archive."""
        names = self._archive.names()
        yield from (name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix))

    def __contains__(self, name: object) -> bool:
        return f"{self._prefix}{name}" in self._archive

    def read(self, name: str) -> bytes:
        """Read a whole file."""
        return self._archive.read(f"{self._prefix}{name}")

    def state(self, names: Iterable[str]) -> str:
        """Identify files as the archive does."""
        return self._archive.state(f"{self._prefix}{name}" for name in names)


class Zip(Archive):
    """The files of a zip; zipfile locks what threads share."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._zip = zipfile.ZipFile(path)
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in _few(self._zip.infolist(), path):
            if not info.filename or info.is_dir():
                continue
            if info.filename in self._members:  # one tool unpacks the first, another the last
                raise zipfile.BadZipFile(f"two files in it are called {info.filename}")
            self._members[info.filename] = info

    def names(self) -> Iterator[str]:
        """Yield the names of all files, in the order of the zip."""
        yield from self._members

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """Read a whole file."""
        info = self._members.get(name)
        if info is None:
            raise FileNotFoundError(f"there is no {name} in {self.path}")
        if info.flag_bits & ENCRYPTED:
            raise OSError(f"{name} is encrypted in {self.path}: unpack it with its password")
        check_unpacked(f"{name} in {self.path}", info.file_size, info.compress_size)
        try:
            return self._zip.read(info)
        except DAMAGED as error:
            raise OSError(
                f"{name} is damaged in {self.path}, or packed in an unknown way: {error}"
            ) from error
        except MemoryError as error:
            raise OSError(f"{name} in {self.path} does not fit into memory") from error

    def state(self, names: Iterable[str]) -> str:
        """Identify files by the check sums that the zip keeps of their contents."""
        digest = hashlib.sha256()
        for name in names:
            info = self._members.get(name)
            state = f"{info.file_size} {info.CRC}" if info else "absent"
            digest.update(f"{name}\0{state}\n".encode(errors="surrogatepass"))
        return digest.hexdigest()


class Tar(Archive):
    """The files of a tar; a compressed one has to be read from its start for each, so better unpack that."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        packed, total = path.stat().st_size, 0
        self._tar = tarfile.open(fileobj=_Bounded(path), mode="r:")  # type: ignore[call-overload] # noqa: SIM115
        self._members: dict[str, tarfile.TarInfo] = {}
        for info in _few(self._tar, path):
            total += info.size
            check_unpacked(f"{info.name} in {path}", info.size, packed)
            check_ratio(str(path), total, packed)  # now: to find the next header, this file is unpacked
            if info.isreg() and info.name.removeprefix("./"):
                self._members[info.name.removeprefix("./")] = info  # the last one, as when it is unpacked
        self._lock = threading.Lock()

    def names(self) -> Iterator[str]:
        """Yield the names of all files, in the order of the tar."""
        yield from self._members

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """Read a whole file."""
        if name not in self._members:
            raise FileNotFoundError(f"there is no {name} in {self.path}")
        with self._lock:
            try:
                file = self._tar.extractfile(self._members[name])
                assert file is not None  # only regular files are listed
                return bytes(file.read())
            except DAMAGED as error:
                raise OSError(f"{name} is damaged in {self.path}: {error}") from error
            except MemoryError as error:
                raise OSError(f"{name} in {self.path} does not fit into memory") from error

    def state(self, names: Iterable[str]) -> str:
        """Identify the tar, which keeps no check sums, by its size and time of change."""
        return hashlib.sha256(state_of(self.path).encode()).hexdigest()


def _few(members: Iterable[Member], path: Path) -> Iterator[Member]:
    """Go through the members of an archive, unless they are too many to hold."""
    for number, member in enumerate(members):
        if number == MOST_MEMBERS:
            raise FaceportError(f"{path} holds more than {MOST_MEMBERS:,} files: unpack it")
        yield member


class _Bounded:
    """A tar as tarfile reads it, unpacked, in no larger pieces than any file may have."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            head = file.read(8)
        opener = next((opener for magic, opener in PACKERS.items() if head.startswith(magic)), None)
        self._file: IO[bytes] = opener(path) if opener else path.open("rb")
        self.seek, self.tell, self.close = self._file.seek, self._file.tell, self._file.close

    def read(self, size: int) -> bytes:
        """Read so many bytes; a header may say that a name is a terabyte long."""
        if not 0 <= size <= MOST_BYTES:
            raise OSError(f"a piece of {size:,} bytes is asked for")
        return self._file.read(size)


def open_archive(path: str | os.PathLike[str]) -> Archive:
    """Open a folder, a zip or a tar, whatever its suffix says."""
    place = expand(path)
    if place.is_dir():
        return Folder(place)
    if not place.is_file():
        what = "is a pipe or a device" if place.exists() else "is not there"
        raise MissingError(f"there is no {place}: neither a folder nor an archive ({what})")
    try:
        if zipfile.is_zipfile(place):
            return Zip(place)
        return Tar(place)
    except tarfile.ReadError as error:
        raise FaceportError(
            f"{place} is neither a folder nor a zip nor a tar, or damaged: {error}"
        ) from error
    except (*DAMAGED, OSError, MemoryError) as error:
        raise FaceportError(f"{place} is damaged: {error}") from error


def open_root(path: str | os.PathLike[str]) -> Archive:
    """Open a folder, a zip or a tar; where all files of it lie in one folder, open that."""
    archive = open_archive(path)
    if isinstance(archive, Folder):
        return archive
    tops = {name.partition("/")[0] if "/" in name else "" for name in archive.names()}
    top = tops.pop() if len(tops) == 1 else ""
    return Within(archive, top) if top else archive
