"""Where may be written: within a folder, beside what others own, never over it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from faceport.errors import ConfigError, FaceportError
from faceport.files import (
    begun,
    disk_errors,
    remove_leftovers,
    rename,
    sync,
    sync_all,
    temporary_beside,
    write_atomically,
)

LEDGER = ".faceport.sha256"  # what faceport wrote into a folder; `sha256sum --check` reads it, too
_LETTERS = {b"\\": b"\\", b"n": b"\n", b"r": b"\r"}  # behind a backslash, in a ledger
_UNTRUE = re.compile(r"\\x[0-9a-f]{2}")  # what a byte that is no text looks like when it is shown


class OutsideError(FaceportError):
    """A name in somebody's data that leads out of the folder it belongs to, or that no file can have."""


def inside(folder: Path, name: str) -> Path:
    """Give the path of a name that comes from data; one that leads out of the folder is an error.

    Links within the folder are followed: its owner made them.
    """
    path = Path(name)
    # "" and "." are the folder itself; a drive or a root of Windows leads away from it, as ".." does.
    if "\0" in name or not path.parts or path.drive or path.root or ".." in path.parts:
        raise OutsideError(f"{name!r} is no name of a file within {folder}")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise OutsideError(f"{name!r} is no name of a file: it holds half a character") from error
    return folder / path


def as_text(name: str) -> str:
    r"""Write a file name as text that can be told from every other: bytes that are no text become \xff."""
    try:
        name.encode()
    except UnicodeEncodeError:
        pass
    else:
        if "\\x" not in name:
            return name
    # A name that spells such a byte out, in four characters, gets its backslash spelled out.
    spelled = _UNTRUE.sub(lambda found: "\\x5c" + found[0][1:], name)
    return os.fsencode(spelled).decode("utf-8", "backslashreplace")


def distinct(names: Iterable[str]) -> list[str]:
    """Give a number to each name that was there before: a.jpg, a-2.jpg; no two are the same afterwards."""
    wanted = list(names)
    taken = {os.path.normcase(name) for name in wanted}  # what is unique already stays as it is
    last: dict[str, int] = {}  # the number that a name was given last
    unlike = []
    for name in wanted:
        key, path, new = os.path.normcase(name), PurePosixPath(name), name
        while key in last and os.path.normcase(new) in taken:
            last[key] += 1
            new = str(path.with_name(f"{path.stem}-{last[key]}{path.suffix}"))
        last.setdefault(key, 1)
        taken.add(os.path.normcase(new))
        unlike.append(new)
    return unlike


def replaceable(path: Path, ours: Callable[[Path], object], overwrite: bool = False) -> None:
    """Refuse to write over a file that is there, unless `ours` recognises it or the user says so."""
    if path.is_dir():
        raise ConfigError(
            f"{path} is a folder, and a file of that name is to be written: choose another name"
        )
    if os.path.lexists(path) and not overwrite and not ours(path):
        raise ConfigError(
            f"{path} is there, and faceport did not write it: choose another place, or say overwrite=true"
        )


def claimable(folder: Path, ours: Callable[[Path], object]) -> None:
    """Refuse a folder that holds something, unless `ours` recognises it as made by the same verb."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file, and a folder of that name is to be made: choose another name")
    there = next((entry.name for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)), "")
    if there and not ours(folder):
        raise ConfigError(
            f"{folder} holds '{there}', which faceport did not write: choose a folder that is new or empty"
        )


def replaceable_folder(folder: Path, owned: Collection[str]) -> None:
    """Refuse to replace a folder that holds any file but those that faceport made there (relative paths)."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file, and a folder of that name is to be made: choose another name")
    here = Path.cwd()
    if folder.resolve() in (here, *here.parents):
        raise ConfigError(
            f"{folder} is the folder that you are in, or one above it: name a folder of its own"
        )
    strange = next((name for name in files_below(folder) if name not in owned), None)
    if strange is not None:
        raise ConfigError(
            f"{folder} holds '{strange}', which faceport did not write there: choose another one, or move it"
        )


def files_below(folder: Path) -> Iterator[str]:
    """Yield everything below a folder that is no folder; a link to one is none."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        below = Path(place).relative_to(folder)
        yield from ((below / name).as_posix() for name in sorted(files))
        yield from ((below / name).as_posix() for name in folders if (Path(place) / name).is_symlink())


def replace_folder(new: Path, folder: Path) -> None:
    """Put a finished folder in the place of another, which stays whole until the new one is there."""
    folder = folder.resolve()  # the folder behind a link, not the link
    old = temporary_beside(folder)
    sync_all(new)
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


class Outputs:
    """The files that a command writes into a folder where others may have files, too.

    What faceport wrote stands in a ledger with its hash, and only a file that still is what it wrote is
    written over. Inputs never are.
    """

    def __init__(self, folder: Path, inputs: Iterable[Path] = (), overwrite: bool = False) -> None:
        self.folder = folder
        self.overwrite = overwrite
        self._inputs = {_identity(path) for path in inputs}
        self._made: dict[str, set[str]] = {}  # name -> hashes of what was written under it
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.new = not (folder / LEDGER).is_file()
            for name, known in _entries(folder / LEDGER):
                self._made.setdefault(name, set()).add(known)

    def check(self, names: Iterable[str]) -> None:
        """Refuse, before any work is done, what place() would refuse after it."""
        for name in names:
            self.place(name)

    def place(self, name: str) -> Path:
        """Give the path of an output; one that would be written over something else is an error."""
        path = inside(self.folder, name)
        if not os.path.lexists(path):
            return path
        if path.is_dir():
            raise ConfigError(
                f"{path} is a folder, and a file of that name is to be written: choose another out="
            )
        if _identity(path) in self._inputs:
            raise ConfigError(
                f"{path} is an input, and its result would be written over it: choose another out="
            )
        if self.overwrite or (name in self._made and _sha256(path) in self._made[name]):
            return path
        raise ConfigError(
            f"{path} is there, and faceport did not write it, or it was changed since: choose another folder "
            "with out=, or say overwrite=true"
        )

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole."""
        path = self.place(name)
        self._note(name, hashlib.sha256(content).hexdigest())
        write_atomically(path, content, durable=True)

    def adopt(self, temporary: Path, name: str) -> None:
        """Give a finished file, which lies beside its place, its name."""
        path = self.place(name)
        self._note(name, _sha256(temporary))
        rename(temporary, path)

    def adopt_all(self, aside: Path) -> None:
        """Give all files of a folder beside ours their places, once it is known that all may have them."""
        names = sorted(files_below(aside))
        self.check(names)
        for name in names:
            inside(self.folder, name).parent.mkdir(parents=True, exist_ok=True)
            self.adopt(aside / name, name)

    def tidy(self, names: Iterable[str] = ()) -> None:
        """Remove what killed processes left of outputs, here and in the folders of those that are named."""
        for folder in {self.folder, *(inside(self.folder, name).parent for name in names)}:
            remove_leftovers(folder, below=False)

    def own(self, name: str) -> Path:
        """Give the path of a file that is written bit by bit: the folder says whose it is."""
        path = inside(self.folder, name)
        if self.new or _identity(path) in self._inputs:
            self.place(name)
            self._append(b"")  # from now on, the folder is ours
        return path

    def _note(self, name: str, known: str) -> None:
        """Write down what is about to be written: a kill may come between the two."""
        if known not in self._made.setdefault(name, set()):
            self._made[name].add(known)
            self._append(_line(name, known))

    def _append(self, line: bytes) -> None:
        with disk_errors(self.folder), (self.folder / LEDGER).open("ab", buffering=0) as ledger:
            ledger.write(line)


def _identity(path: Path) -> Hashable:
    """Tell a file from others whatever it is called: links lead to it, names may differ in case only."""
    try:
        facts = path.stat()
    except OSError:
        return path.absolute()
    return facts.st_dev, facts.st_ino


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _line(name: str, known: str) -> bytes:
    """Write a line as sha256sum does, with its escapes."""
    spelled = os.fsencode(name).replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if spelled != os.fsencode(name) else b"") + known.encode() + b"  " + spelled + b"\n"


def _entries(ledger: Path) -> Iterator[tuple[str, str]]:
    """Read a ledger; a line that a kill cut off, or that is none, says nothing."""
    try:
        lines = ledger.read_bytes().split(b"\n")[:-1]
    except OSError:
        return
    for line in lines:
        match = re.fullmatch(rb"(\\?)([0-9a-f]{64})  (.+)", line)
        if match:
            name = re.sub(rb"\\(.)", lambda escape: _LETTERS.get(escape[1], escape[0]), match[3])
            name = name if match[1] else match[3]
            yield os.fsdecode(name), match[2].decode()


@contextmanager
def finished(place: Path) -> Iterator[Path]:
    """Yield the path to write a file under until it is whole; what an error leaves is removed."""
    with disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with begun(place) as temporary:
            yield temporary
            rename(temporary, place)
