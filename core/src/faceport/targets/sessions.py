"""Sessions around sessions: fixed batches, one session for each size."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from faceport.api import Network, Session
from faceport.errors import FaceportError
from faceport.targets.sizes import Item, describe, item_shape, item_shapes, mismatch
from faceport.types import Tensors


def any_batch(session: Session, network: Network) -> Session:
    """Cut calls to the one batch that a network's file takes, if there is one."""
    return FixedBatch(session, network.batch) if network.batch else session


INDEX = "sizes.json"  # of an artifact: which folder is for which sizes


ANY = "any"  # the folder for all of them


def fixed_batches(inputs: Tensors, size: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """Cut a batch into pieces of one size, the last filled up with its last row; tell how many rows count."""
    total = len(next(iter(inputs.values())))
    for start in range(0, total, size):
        rows = min(size, total - start)
        index = np.minimum(np.arange(start, start + size), total - 1)
        yield (
            {
                name: value[index] if rows < size else value[start : start + size]
                for name, value in inputs.items()
            },
            rows,
        )


class FixedBatch(Session):
    """Give a session that takes one batch size only the freedom to be called with any."""

    def __init__(self, session: Session, size: int) -> None:
        self._session, self._size = session, size
        self.streams, self.window = session.streams, session.window

    @property
    def facts(self) -> Mapping[str, str]:
        """Report what runs, and the size of its batches."""
        return {**self._session.facts, "batch": str(self._size)}

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch of any size."""
        return self.run_many([inputs])[0]

    def run_many(self, batches: Sequence[Tensors]) -> list[Tensors]:
        """Run all batches in pieces of the one size."""
        pieces = [list(fixed_batches(batch, self._size)) for batch in batches]
        found = iter(self._session.run_many([inputs for parts in pieces for inputs, _ in parts]))
        return [join([cut(next(found), rows) for _, rows in parts]) for parts in pieces]

    def close(self) -> None:
        """Close the session inside."""
        self._session.close()


def cut(outputs: Tensors, rows: int) -> Tensors:
    """Keep the first rows of every tensor."""
    return {name: value[:rows] for name, value in outputs.items()}


def join(parts: Sequence[Tensors]) -> Tensors:
    """Stack batches along their first axis."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def compile_sizes(
    network: Network, calls: Iterable[Tensors], out: Path, compile_one: Callable[[Item | None, Path], bool]
) -> None:
    """Compile once for any size (item None) where that works, else once for each recorded size."""
    (out / ANY).mkdir()
    folders: dict[str, dict[str, tuple[int, ...]]] = {}
    if compile_one(None, out / ANY):
        folders[ANY] = {}
    else:
        (out / ANY).rmdir()
        for number, item in enumerate(item_shapes(network, calls)):
            (out / str(number)).mkdir()
            compile_one(item, out / str(number))
            folders[str(number)] = dict(item)
    (out / INDEX).write_text(json.dumps(folders))


def compiled_sizes(folder: Path) -> dict[Item | None, Path]:
    """Read which sizes an artifact was compiled for; None stands for any."""
    content = json.loads((folder / INDEX).read_text())
    return {
        tuple(sorted((name, tuple(shape)) for name, shape in shapes.items())) or None: folder / place
        for place, shapes in content.items()
    }


class BySize(Session):
    """Choose among sessions of one network by the size of the inputs."""

    def __init__(self, network: Network, runtime: str, sessions: Mapping[Item | None, Session]) -> None:
        self._network, self._runtime, self._sessions = network, runtime, sessions
        self.streams = next(iter(sessions.values())).streams

    @property
    def facts(self) -> Mapping[str, str]:
        """Report what runs, and for which sizes."""
        return {**next(iter(self._sessions.values())).facts, "sizes": self._sizes()}

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch; what would not fit is refused before a runtime sees it."""
        item = item_shape(inputs)
        session = self._sessions.get(item, self._sessions.get(None))
        wrong = mismatch(self._network, inputs)
        if not wrong and session is None:
            wrong = (
                f"it was compiled for inputs of {self._sizes()}, not of {_size(item)}: bring all pictures to "
                "one size (model.size), or compile with pictures of every size"
            )
        if wrong or session is None:
            raise FaceportError(f"{self._runtime} cannot run network '{self._network.name}': {wrong}")
        return session.run(inputs)

    def _sizes(self) -> str:
        return ", ".join(sorted(_size(item) if item else ANY for item in self._sessions))

    def close(self) -> None:
        """Close every session."""
        for session in self._sessions.values():
            session.close()


def _size(item: Item) -> str:
    return " and ".join(describe(shape) for _, shape in item)
