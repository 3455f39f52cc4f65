"""Read files out of a folder, a zip or a tar alike, from many threads at once."""

from __future__ import annotations

import os
import tarfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from faceport.errors import FaceportError, MissingError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


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
        return (self.path / str(name)).is_file()

    def read(self, name: str) -> bytes:
        """Read a whole file."""
        return (self.path / name).read_bytes()

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


class Zip(Archive):
    """The files of a zip; zipfile locks what threads share."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._zip = zipfile.ZipFile(path)
        self._members = {info.filename: info for info in self._zip.infolist() if not info.is_dir()}

    def names(self) -> Iterator[str]:
        """Yield the names of all files, in the order of the zip."""
        yield from self._members

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """Read a whole file."""
        if name not in self._members:
            raise FileNotFoundError(f"there is no {name} in {self.path}")
        try:
            return self._zip.read(self._members[name])
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise OSError(f"{name} is damaged in {self.path}: {error}") from error


class Tar(Archive):
    """The files of a tar; a compressed one has to be read from its start for each, so better unpack that."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._tar = tarfile.open(path)  # noqa: SIM115 - open as long as the archive is
        self._members = {info.name.removeprefix("./"): info for info in self._tar if info.isfile()}
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
                return file.read()
            except (tarfile.TarError, EOFError, zlib.error) as error:
                raise OSError(f"{name} is damaged in {self.path}: {error}") from error


def open_archive(path: str | os.PathLike[str]) -> Archive:
    """Open a folder, a zip or a tar, whatever its suffix says."""
    place = Path(path).expanduser()
    if place.is_dir():
        return Folder(place)
    if not place.is_file():
        raise MissingError(f"there is no {place}: neither a folder nor an archive")
    try:
        if zipfile.is_zipfile(place):
            return Zip(place)
        if tarfile.is_tarfile(place):
            return Tar(place)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise FaceportError(f"{place} is damaged: {error}") from error
    raise FaceportError(f"{place} is neither a folder nor a zip nor a tar")


def open_root(path: str | os.PathLike[str]) -> Archive:
    """Open a folder, a zip or a tar; where all files of it lie in one folder, open that."""
    archive = open_archive(path)
    if isinstance(archive, Folder):
        return archive
    tops = {name.partition("/")[0] if "/" in name else "" for name in archive.names()}
    top = tops.pop() if len(tops) == 1 else ""
    return Within(archive, top) if top else archive
