"""Calls that a model makes of its networks, recorded: to try compiled networks on, to find int8 ranges on."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np

from faceport.api import Dataset, Model, Session
from faceport.artifacts.recipe import model_recipe
from faceport.artifacts.store import Store
from faceport.engine.engine import Engine
from faceport.engine.watch import Watch
from faceport.errors import FaceportError, ImageError
from faceport.progress import progress
from faceport.targets.sizes import Item, item_shape
from faceport.types import Sample, Tensors

Open = Callable[[], Mapping[str, Session]]


@dataclass(frozen=True)
class Limits:
    """How much is recorded of each network."""

    calls: int  # a pyramid makes ten of a picture
    rows: int  # of each call; a cascade may make hundreds
    sizes: int = 0  # calls beyond them, each of a size that no earlier one has


CHECK = Limits(calls=8, rows=8, sizes=64)  # to hold a compiled network against its reference, in every size
RANGES = Limits(calls=256, rows=16)  # to find the ranges of int8


class Recorder(Watch):
    """Choose which calls of each network are recorded, and which rows of each."""

    def __init__(self, limits: Limits, seed: int | None = None) -> None:
        self.limits = limits
        self.seen: dict[str, int] = {}  # calls by network, recorded or not
        self._sizes: dict[str, set[Item]] = {}  # of one row, by network
        self._further: dict[str, int] = {}  # calls that are recorded for their size, by network
        self._rng = None if seed is None else np.random.default_rng(seed)

    def call(self, network: str, inputs: Tensors) -> None:
        """Record a call: the first ones where there is no seed, else a fair choice however many come."""
        count = self.seen.get(network, 0)
        self.seen[network] = count + 1
        place = count
        if count >= self.limits.calls and self._rng is not None:
            place = int(self._rng.integers(count + 1))
        if place >= self.limits.calls and self._is_wanted_for_its_size(network, inputs):
            place = self.limits.calls + self._further.get(network, 0)
            self._further[network] = self._further.get(network, 0) + 1
        elif place >= self.limits.calls:
            return
        self._sizes.setdefault(network, set()).add(item_shape(inputs))
        rows = self._rows(len(next(iter(inputs.values()))))
        self.write(network, place, {name: value[rows] for name, value in inputs.items()})

    def _is_wanted_for_its_size(self, network: str, inputs: Tensors) -> bool:
        left = self._further.get(network, 0) < self.limits.sizes
        return left and item_shape(inputs) not in self._sizes.get(network, set())

    def _rows(self, size: int) -> Any:
        if self._rng is None:
            return slice(self.limits.rows)
        return np.sort(self._rng.choice(size, min(size, self.limits.rows), replace=False))

    @abstractmethod
    def write(self, network: str, place: int, inputs: Tensors) -> None:
        """Put a call in its place; a later one may take it."""


class MemoryRecorder(Recorder):
    """Hold the recorded calls of each network as lists."""

    def __init__(self, limits: Limits, seed: int | None = None) -> None:
        super().__init__(limits, seed)
        self.calls: dict[str, list[Tensors]] = {}

    def write(self, network: str, place: int, inputs: Tensors) -> None:
        """Put a call in its place."""
        calls = self.calls.setdefault(network, [])
        calls[place : place + 1] = [inputs]


class DiskRecorder(Recorder):
    """Write the recorded calls of each network as files of a folder."""

    def __init__(self, limits: Limits, seed: int | None, folder: Path) -> None:
        super().__init__(limits, seed)
        self._folder = folder

    def write(self, network: str, place: int, inputs: Tensors) -> None:
        """Put a call in its place."""
        (self._folder / network).mkdir(exist_ok=True)
        tensors: Any = dict(inputs)
        np.savez(self._folder / network / f"{place:04}.npz", **tensors)


def record_calls(
    model: Model, sessions: Mapping[str, Session], samples: Iterable[Sample], recorder: Recorder
) -> int:
    """Run samples by the reference for the sake of their calls; count those that could be read."""
    engine = Engine(model, sessions, watches=[recorder])
    seen = 0
    for sample in samples:
        try:
            engine.one(sample)
            seen += 1
        except ImageError:
            continue  # the run itself names it
    return seen


class Recording(Sequence[Tensors]):
    """Recorded calls of one network, read from disk one at a time."""

    def __init__(self, folder: Path, digest: str = "") -> None:
        self.digest = digest
        self._files = sorted(folder.glob("*.npz"))

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> Tensors: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tensors]: ...
    def __getitem__(self, index: int | slice) -> Tensors | Sequence[Tensors]:
        if isinstance(index, slice):
            return [_read(file) for file in self._files[index]]
        return _read(self._files[index])

    def __iter__(self) -> Iterator[Tensors]:
        return map(_read, self._files)


def _read(file: Path) -> Tensors:
    with np.load(file) as stored:
        return dict(stored)


@dataclass(eq=False)
class Calibration:
    """Pictures to record calls on, and what names them."""

    samples: Iterable[Sample]
    identity: Mapping[str, Any]  # dataset, its options and facts, which of its pictures
    count: int  # of the pictures
    seed: int = 0  # of the choice among calls
    note: str = ""  # what must be said beside numbers that were made with these ranges
    read: int | None = None  # pictures that could be read, once they were recorded

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what must be said beside numbers that were made with these ranges."""
        if self.read is None or self.read >= self.count:
            return (self.note,)
        lost = f"{self.count - self.read} of {self.count} pictures to calibrate on could not be read"
        return (self.note, f"{lost}: int8 has its ranges from {self.read}")

    def record(
        self, model: Model, networks: Mapping[str, Mapping[str, Any]], sessions: Open, store: Store
    ) -> dict[str, Recording]:
        """Make the recordings of all networks, once; `networks` are their recipes, for the store."""
        recipe = {
            "networks": networks,
            "model": model_recipe(model),
            "pictures": self.identity,
            "seed": self.seed,
            "limits": [RANGES.calls, RANGES.rows],
        }

        def make(folder: Path) -> Mapping[str, Any]:
            recorder = DiskRecorder(RANGES, self.seed, folder)
            with progress("calibration", self.count) as shown:
                seen = record_calls(model, sessions(), shown.over(self.samples), recorder)
            if not seen:
                raise FaceportError(
                    "there is no readable picture to calibrate on: choose calibration.dataset"
                )
            return {
                "pictures": seen,
                "digests": {name: digest_calls(Recording(folder / name)) for name in recorder.seen},
            }

        entry = store.get("calls", recipe, make)
        self.read = int(entry.manifest["pictures"])
        return {
            name: Recording(entry.path / name, digest) for name, digest in entry.manifest["digests"].items()
        }


def digest_calls(calls: Sequence[Tensors]) -> str:
    """Hash recorded calls: what was made with them is named by it."""
    if isinstance(calls, Recording) and calls.digest:
        return calls.digest
    hashed = hashlib.sha256()
    for inputs in calls:
        for name, value in sorted(inputs.items()):
            hashed.update(f"{name} {value.dtype} {value.shape} ".encode() + value.tobytes())
    return hashed.hexdigest()[:32]


def choose(dataset: Dataset, count: int, seed: int) -> Iterator[Sample]:
    """Choose pictures of a dataset at random, always the same for one seed, in the order of the dataset."""
    size = len(dataset)
    chosen = np.sort(np.random.default_rng(seed).choice(size, min(count, size), replace=False))
    source, at = iter(dataset), 0
    for index in chosen.tolist():
        yield next(islice(source, index - at, None))
        at = index + 1
