"""Calls that a model makes of its networks, recorded once and kept: int8 finds its ranges on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np

from faceport.api import Dataset, Model
from faceport.artifacts.recipe import model_recipe
from faceport.artifacts.store import Store
from faceport.engine.engine import Engine, Settings
from faceport.errors import FaceportError, ImageError
from faceport.progress import progress
from faceport.types import Sample, Tensors

MOST_CALLS = 256  # kept of each network; a pyramid makes ten of a picture
MOST_ROWS = 16  # kept of each call; a cascade may make hundreds


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


@dataclass(frozen=True, eq=False)
class Calibration:
    """Pictures to record calls on, and what names them."""

    samples: Iterable[Sample]
    identity: Mapping[str, Any]  # dataset, its options and facts, which of its pictures
    count: int  # of the pictures
    seed: int = 0  # of the choice among calls

    def record(
        self,
        model: Model,
        networks: Mapping[str, Any],
        open_sessions: Any,
        store: Store,
    ) -> dict[str, Recording]:
        """Find or make the recordings of all networks of a model; `networks` names them for the store."""
        recipe = {
            "networks": networks,
            "model": model_recipe(model),
            "pictures": self.identity,
            "seed": self.seed,
            "limits": [MOST_CALLS, MOST_ROWS],
        }

        def make(folder: Path) -> Mapping[str, Any]:
            recorder = _Recorder(folder, self.seed)
            engine = Engine(model, open_sessions(), Settings(batch_size=MOST_ROWS), recorder)
            seen = 0
            with progress("calibration", self.count) as shown:
                for sample in self.samples:
                    try:
                        engine.one(sample)
                        seen += 1
                    except ImageError:
                        continue  # the run itself names it
                    finally:
                        shown.advance()
            if not seen:
                raise FaceportError(
                    "there is no readable picture to calibrate on: choose calibration.dataset"
                )
            return {
                "pictures": seen,
                "digests": {name: digest_calls(Recording(folder / name)) for name in recorder.seen},
            }

        entry = store.get("calls", recipe, make)
        return {
            name: Recording(entry.path / name, digest) for name, digest in entry.manifest["digests"].items()
        }


class _Recorder:
    """Keep a fair choice of the calls of each network, however many there are."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seen: dict[str, int] = {}
        self._folder = folder
        self._rng = np.random.default_rng(seed)

    def __call__(self, network: str, inputs: Tensors) -> None:
        count = self.seen.get(network, 0)
        self.seen[network] = count + 1
        place = count if count < MOST_CALLS else int(self._rng.integers(count + 1))
        if place >= MOST_CALLS:
            return
        size = len(next(iter(inputs.values())))
        rows = np.sort(self._rng.choice(size, min(size, MOST_ROWS), replace=False))
        (self._folder / network).mkdir(exist_ok=True)
        kept: Any = {name: value[rows] for name, value in inputs.items()}
        np.savez(self._folder / network / f"{place:04}.npz", **kept)


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
