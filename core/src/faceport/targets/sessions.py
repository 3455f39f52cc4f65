"""Sessions around sessions: fixed batches, one session for each size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from faceport.api import Away, Network, Session
from faceport.errors import FaceportError
from faceport.targets.sizes import Item, describe, has_free_sizes, item_shape, mismatch
from faceport.types import Tensors


def any_batch(session: Session, network: Network) -> Session:
    """Cut calls to the one batch that a network's file takes, if there is one."""
    if not network.batch:
        return session
    if isinstance(session, Away):
        return AwayFixedBatch(session, network.batch)
    return FixedBatch(session, network.batch)


def by_size(network: Network, runtime: str, sessions: Mapping[Item | None, Session]) -> Session:
    """Make one session of several, each for one size; one of them away is away as a whole."""
    away = any(isinstance(session, Away) for session in sessions.values())
    return (AwayBySize if away else BySize)(network, runtime, sessions)


ANY = "any"  # size


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


class AwayFixedBatch(FixedBatch, Away):
    """The same for a session on another machine: each piece is a call of its own."""

    def __init__(self, session: Away, size: int) -> None:
        super().__init__(session, size)
        self._away, self.carries = session, session.carries

    def answer(self, call: str, inputs: Tensors) -> Tensors | None:
        """Give the answer once all pieces have theirs; all of them are asked in one round."""
        found = [
            (self._away.answer(f"{call}-{number:03}", piece), rows)
            for number, (piece, rows) in enumerate(fixed_batches(inputs, self._size))
        ]
        parts = [cut(outputs, rows) for outputs, rows in found if outputs is not None]
        return join(parts) if len(parts) == len(found) else None

    def dispatch(self) -> str:
        """Make ready what was left."""
        return self._away.dispatch()


def cut(outputs: Tensors, rows: int) -> Tensors:
    """Keep the first rows of every tensor."""
    return {name: value[:rows] for name, value in outputs.items()}


def join(parts: Sequence[Tensors]) -> Tensors:
    """Stack batches along their first axis."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class BySize(Session):
    """Choose among sessions of one network by the size of the inputs."""

    def __init__(self, network: Network, runtime: str, sessions: Mapping[Item | None, Session]) -> None:
        self._network, self._runtime, self._sessions = network, runtime, sessions
        self.streams = min(session.streams for session in sessions.values())
        self.window = max(session.window for session in sessions.values())

    @property
    def facts(self) -> Mapping[str, str]:
        """Report what runs, and for which sizes where they are free."""
        sizes = {"sizes": self._sizes()} if has_free_sizes(self._network) else {}
        return {**next(iter(self._sessions.values())).facts, **sizes}

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch; what would not fit is refused before a runtime sees it."""
        return self._sessions[self._fitting(inputs)].run(inputs)

    def run_many(self, batches: Sequence[Tensors]) -> list[Tensors]:
        """Run the batches of each size together; the answers come in the order of the batches."""
        places: dict[Item | None, list[int]] = defaultdict(list)
        for place, inputs in enumerate(batches):
            places[self._fitting(inputs)].append(place)
        answers: dict[int, Tensors] = {}
        for item, chosen in places.items():
            outputs = self._sessions[item].run_many([batches[place] for place in chosen])
            answers.update(zip(chosen, outputs, strict=True))
        return [answers[place] for place in range(len(batches))]

    def _fitting(self, inputs: Tensors) -> Item | None:
        """Name the session that takes a batch, or refuse the batch."""
        item = item_shape(inputs)
        wrong = mismatch(self._network, inputs)
        if not wrong and item not in self._sessions and None not in self._sessions:
            wrong = (
                f"it was compiled for inputs of {self._sizes()}, not of {_size(item)}: bring all pictures to "
                "one size (model.size), or compile with pictures of every size"
            )
        if wrong:
            raise FaceportError(f"{self._runtime} cannot run network '{self._network.name}': {wrong}")
        return item if item in self._sessions else None

    def _sizes(self) -> str:
        return ", ".join(sorted(_size(item) if item else ANY for item in self._sessions))

    def close(self) -> None:
        """Close every session."""
        for session in self._sessions.values():
            session.close()


class AwayBySize(BySize, Away):
    """The same for sessions on another machine."""

    def __init__(self, network: Network, runtime: str, sessions: Mapping[Item | None, Session]) -> None:
        super().__init__(network, runtime, sessions)
        self.carries = all(one.carries for one in sessions.values() if isinstance(one, Away))

    def answer(self, call: str, inputs: Tensors) -> Tensors | None:
        """Ask the session that takes a batch of this size."""
        session = self._sessions[self._fitting(inputs)]
        return session.answer(call, inputs) if isinstance(session, Away) else session.run(inputs)

    def dispatch(self) -> str:
        """Make ready what was left in every size."""
        answers = [session.dispatch() for session in self._sessions.values() if isinstance(session, Away)]
        return " ".join(dict.fromkeys(filter(None, answers)))


def _size(item: Item) -> str:
    return " and ".join(describe(shape) for _, shape in item)
