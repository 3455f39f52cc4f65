"""Calls as files for a vendor's tool: questions with checksums, one script for all of them, sealed answers.

A box is the folder of one network:

    todo/0/STEM.bin     questions; 0: the first input. A tool may have one folder more, for each shape
    todo.sha256         their checksums, as sha256sum reads them
    run.sh              checks them, runs the tool once for all, seals what it made
    out/STEM_0.bin      answers; 0: the first output
    sealed/STEM         their checksums, written last: without it an answer does not count

A stem is the name of the call and the hash of its inputs, so an answer to other inputs is never found.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from faceport.api import Away
from faceport.errors import ConfigError, FaceportError
from faceport.files import begun, disk_errors, file_sha256, write_atomically
from faceport.targets.sessions import join
from faceport.targets.tool import Tool, ToolError
from faceport.types import Tensors

SCRIPT = "run.sh"
HEAD = """#!/bin/sh
# Written by faceport: runs what lies in todo/ and seals the answers. It may be stopped and started again.
set -eu
cd "$(dirname "$0")"
export LC_ALL=C
fail() { echo "faceport: $*" >&2; exit 65; }
[ -d todo ] || exit 0
sha256sum -c --quiet todo.sha256 || fail "a question was changed on the way: bring the folder here again"
rm -rf work new
mkdir -p work new out sealed report
"""
TAIL = """
count=$(find new -type f | wc -l)
[ "$count" -eq EXPECTED ] || fail "the tool made $count files of EXPECTED"
(cd new && find . -type f | sort | sed 's|^\\./||' | xargs sha256sum) > work/sums
rm -rf work/sealed
mkdir work/sealed
awk '{ stem = $2; sub(/(_output)?_[0-9]+\\.[a-z]+$/, "", stem); file = "work/sealed/" stem
       if (file != last) { if (last) close(last); last = file } print > file }' work/sums
find new -type f -exec sh -c 'mv "$@" out/' sh {} +
find work/sealed -type f -exec sh -c 'mv "$@" sealed/' sh {} +
rm -rf work new
"""
ALL = """#!/bin/sh
# Written by faceport: runs every network that has questions.
set -eu
cd "$(dirname "$0")"
for script in */run.sh; do sh "$script"; done
"""
ALTERED = "It was changed or exchanged on the way: delete it and its seal, and run there again"


def digest(tensors: Tensors) -> str:
    """Hash tensors with their names, types and shapes."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        sha.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        sha.update(value.tobytes())
    return sha.hexdigest()


def key_of(files: Iterable[Path], *settings: str) -> str:
    """Hash what a network on another machine is made of, so that two of one graph have two boxes."""
    sha = hashlib.sha256(" ".join(settings).encode())
    for path in files:
        sha.update(file_sha256(path).encode())
    return sha.hexdigest()


@dataclass(eq=False)
class Box:
    """Questions and answers of one network; one file is in memory at a time."""

    folder: Path
    asked: int = 0  # questions without an answer in this round
    places: set[str] = field(default_factory=set)  # folders that they lie in

    def ask(self, stem: str, files: Sequence[bytes], suffix: str, place: str = "") -> None:
        """Leave the inputs of one call; what lies there from an earlier round is theirs already."""
        lines = ""
        for number, content in enumerate(files):
            path = self.folder / "todo" / place / str(number) / f"{stem}{suffix}"
            if not path.is_file() or path.stat().st_size != len(content):
                write_atomically(path, content)
            name = path.relative_to(self.folder).as_posix()
            lines += f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        with disk_errors(self.folder), self.sums.open("a" if self.asked else "w") as sums:
            sums.write(lines)
        self.asked += 1
        self.places.add(place)

    @property
    def sums(self) -> Path:
        """Name the file of checksums as it grows."""
        return self.folder / "todo.sha256"

    def answer(self, stem: str) -> list[Path] | None:
        """Find the files of a sealed answer, by number; refuse one that is not what was sealed."""
        seal = self.folder / "sealed" / stem
        if not seal.is_file():
            return None
        found: dict[int, Path] = {}
        for line in seal.read_text(errors="replace").splitlines():
            match = re.fullmatch(r"([0-9a-f]{64}) [ *](\S+?)(?:_output)?_(\d+)\.([a-z]+)", line)
            if not match or match[2] != stem:
                raise FaceportError(f"{seal} is the seal of something else. {ALTERED}")
            path = self.folder / "out" / line[66:]
            if not path.is_file() or file_sha256(path) != match[1]:
                raise FaceportError(f"{path} is not what was sealed. {ALTERED}")
            found[int(match[3])] = path
        if not found or sorted(found) != list(range(len(found))):
            raise FaceportError(f"{seal} is damaged. {ALTERED}")
        return [found[number] for number in range(len(found))]

    def clear(self) -> None:
        """Remove what an earlier round asked and this one did not: it has answers, or nobody wants it.

        Of a hundred thousand names only hashes are held, and folders are read entry by entry.
        """
        if not self.sums.is_file():
            return
        with self.sums.open() as lines:
            asked = np.fromiter((_short(line[66:].rstrip("\n")) for line in lines), np.uint64)
        asked.sort()
        for name in _files(self.folder, "todo"):
            found = np.uint64(_short(name))
            at = int(np.searchsorted(asked, found))
            if at == len(asked) or asked[at] != found:
                (self.folder / name).unlink()


def _short(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def _files(folder: Path, below: str) -> Iterator[str]:
    """Go through the files below a folder, of which there may be very many."""
    with os.scandir(folder / below) as entries:
        for entry in entries:
            name = f"{below}/{entry.name}"
            if entry.is_dir():
                yield from _files(folder, name)
            else:
                yield name


class Carrier(Protocol):
    """How a folder of boxes gets to the machine and back."""

    carries: bool

    def carry(self, root: Path, box: Path) -> str:
        """Bring a box there and the answers back, or say who must."""


@dataclass(frozen=True)
class ByHand:
    """A person carries the folder."""

    carries = False

    def carry(self, root: Path, box: Path) -> str:
        """Say what to do."""
        write_atomically(root / SCRIPT, ALL)
        return f"Run `sh {root}/{SCRIPT}` there (take {root} with you, and bring it back)."


@dataclass(frozen=True)
class Here:
    """The tool is on this machine."""

    tool: Tool
    carries = True

    def carry(self, root: Path, box: Path) -> str:
        """Run the script."""
        self.tool.run(["sh", SCRIPT], folder=box)
        return ""


@dataclass(frozen=True)
class OverSsh:
    """The tool is on a machine that ssh reaches without asking; needs sh, tar and sha256sum there."""

    tool: Tool
    host: str
    place: str = "faceport-exchange"
    carries = True

    @classmethod
    def to(cls, address: str, tool: Tool) -> OverSsh:
        """Read ssh://[user@]host[/folder]."""
        match = re.fullmatch(r"ssh://((?:[\w.-]+@)?\w[\w.-]*(?::\d+)?)(?:/([\w./-]+))?", address)
        if not match:
            raise ConfigError(f"target.reach is '{address}', it must be ssh://[user@]host[:port][/folder]")
        return cls(tool, match[1], match[2] or "faceport-exchange")

    def carry(self, root: Path, box: Path) -> str:
        """Copy the box there, run it, and copy answers back."""
        there = f"{self.place}/{box.name}"
        host, _, port = self.host.partition(":")
        ssh = shlex.join(["ssh", "-o", "BatchMode=yes", *(["-p", port] if port else []), host])
        put = f"mkdir -p {there} && rm -rf {there}/todo {there}/out {there}/sealed && tar -xf - -C {there}"
        script = (
            f"tar --exclude ./out --exclude ./sealed -cf - . | {ssh} {shlex.quote(put)}\n"
            f"{ssh} {shlex.quote(f'sh {there}/{SCRIPT}')}\n"
            "rm -rf fetched; mkdir fetched\n"
            f"{ssh} {shlex.quote(f'tar -C {there} -cf - out sealed report')} > fetched/back.tar\n"
            "tar -xf fetched/back.tar -C fetched out sealed report\n"
            "mkdir -p out sealed report\n"
            "find fetched/out -type f -exec sh -c 'mv \"$@\" out/' sh {} +\n"
            "find fetched/sealed -type f -exec sh -c 'mv \"$@\" sealed/' sh {} +\n"
            "find fetched/report -type f -exec mv {} report/ \\;\n"
            "rm -rf fetched\n"
        )
        self.tool.run(["sh", "-euc", script], folder=box)
        return ""


class FilesSession(Away):
    """A network that a command-line tool runs over files, all calls of a stage in one go."""

    def __init__(self, network: str, key: str, root: Path | None, carrier: Carrier) -> None:
        self._temporary = None if root else tempfile.TemporaryDirectory(prefix="faceport-")
        self._root = root or Path(self._temporary.name if self._temporary else "")
        self._box = Box(self._root / f"{network}-{key[:8]}")
        self._carrier, self._network_name = carrier, network
        self.carries = carrier.carries
        self.window = 256

    @abstractmethod
    def encode(self, inputs: Tensors) -> tuple[list[bytes], str, str]:
        """Write the inputs as files: their bytes, the suffix, and the folder that the tool wants them in."""

    @abstractmethod
    def decode(self, files: Sequence[Path], inputs: Tensors) -> Tensors:
        """Read the outputs."""

    @abstractmethod
    def script(self, box: Box) -> tuple[str, Mapping[str, Path]]:
        """Write the middle of the script, which fills new/, and name the files that it needs in the box."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Count the files of one answer."""

    def rows(self, inputs: Tensors) -> int:
        """Say how many rows a call may have."""
        return len(next(iter(inputs.values())))

    def answer(self, call: str, inputs: Tensors) -> Tensors | None:
        """Read an answer, or leave the question; a call of too many rows is several."""
        total, most = len(next(iter(inputs.values()))), max(1, self.rows(inputs))
        if total <= most:
            return self._one(call, inputs)
        parts = [
            self._one(f"{call}-r{at}", {name: value[at : at + most] for name, value in inputs.items()})
            for at in range(0, total, most)
        ]
        found = [part for part in parts if part is not None]
        return join(found) if len(found) == len(parts) else None

    def _one(self, call: str, inputs: Tensors) -> Tensors | None:
        stem = f"{call}-{digest(inputs)[:16]}"
        files = self._box.answer(stem)
        if files is not None:
            if len(files) != self.outputs:
                raise FaceportError(
                    f"{files[0].parent}: the answer {stem} has {len(files)} outputs, network "
                    f"'{self._network_name}' has {self.outputs}. {ALTERED}"
                )
            return self.decode(files, inputs)
        content, suffix, place = self.encode(inputs)
        self._box.ask(stem, content, suffix, place)
        return None

    def dispatch(self) -> str:
        """Make the box complete, and have it carried."""
        box = self._box
        if not box.asked:
            return ""
        box.clear()
        middle, needed = self.script(box)
        tail = TAIL.replace("EXPECTED", str(box.asked * self.outputs))
        for name, path in needed.items():
            place = box.folder / name
            if not place.is_file() or file_sha256(place) != file_sha256(path):
                place.parent.mkdir(parents=True, exist_ok=True)
                with disk_errors(place), begun(place) as part:
                    shutil.copyfile(path, part)
                    part.replace(place)
        write_atomically(box.folder / SCRIPT, HEAD + middle + tail)
        try:
            return self._carrier.carry(self._root, box.folder)
        except ToolError as error:
            raise FaceportError(f"network '{self._network_name}' was not run: {error}") from error
        finally:
            box.asked, box.places = 0, set()

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch, where the tool is within reach."""
        return self.run_many([inputs])[0]

    def run_many(self, batches: Sequence[Tensors]) -> list[Tensors]:
        """Run batches in one go, where the tool is within reach."""
        if not self.carries:
            super().run(batches[0])  # refuses
        names = [f"direct-{number:05}" for number in range(len(batches))]
        answers = [self.answer(name, batch) for name, batch in zip(names, batches, strict=True)]
        if any(one is None for one in answers):
            self.dispatch()
            answers = [self.answer(name, batch) for name, batch in zip(names, batches, strict=True)]
        if any(one is None for one in answers):
            raise FaceportError(f"network '{self._network_name}': the tool ended and answers are missing")
        return [one for one in answers if one is not None]

    def close(self) -> None:
        """Remove what was only for this session."""
        if self._temporary:
            self._temporary.cleanup()
