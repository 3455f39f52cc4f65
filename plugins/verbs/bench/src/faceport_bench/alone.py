"""One network as a system, without the pictures before it and the faces behind it."""

from __future__ import annotations

import re
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from faceport.api import Network, Session
from faceport.errors import ConfigError, suggest
from faceport.types import Tensors
from faceport_bench.arriving import Arriving
from faceport_bench.system import Answer, System

_SHAPE = re.compile(r"([\w.-]+):(\d+(?:x\d+)+)")


class Alone(System):
    """Run batches of the same inputs: one after the other in this thread, or in threads of its own."""

    def __init__(self, session: Session, inputs: Tensors, threads: int | None = None) -> None:
        self.session, self.inputs = session, inputs
        self.rows = len(next(iter(inputs.values())))
        self._pool = ThreadPoolExecutor(threads) if threads else None
        self._waiting: deque[tuple[int, float]] = deque()
        self._arriving = Arriving()

    def now(self) -> float:
        """Read the clock of this machine."""
        return perf_counter()

    def issue(self, items: int, due: float) -> None:
        """Hand a query to a thread, or put it aside until somebody waits for it."""
        if self._pool is None:
            self._waiting.append((items, due))
            return
        left = [items]
        for _ in range(items):
            self._pool.submit(self._one, items, due, left)

    def _one(self, items: int, due: float, left: list[int]) -> None:
        try:
            self.session.run(self.inputs)
        except BaseException as error:
            self._arriving.error = error
        now = perf_counter()
        with self._arriving.changed:
            left[0] -= 1
            if not left[0]:
                self._arriving.put(Answer(items, due, now))

    def wait(self, until: float | None = None) -> list[Answer]:
        """Run what was put aside, or wait for a thread."""
        if self._pool is None:
            return self._run() if self._waiting else _sleep(until)
        return self._arriving.wait(until)

    def _run(self) -> list[Answer]:
        items, due = self._waiting.popleft()
        for _ in range(items):
            self.session.run(self.inputs)
        return [Answer(items, due, perf_counter())]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def _sleep(until: float | None) -> list[Answer]:
    assert until is not None, "nothing is on its way"
    left = until - perf_counter()
    if left > 0:
        threading.Event().wait(left)
    return []


@dataclass(frozen=True)
class Shape:
    """A network, and the shape of its input."""

    network: str
    sizes: tuple[int, ...]  # rows first

    def __str__(self) -> str:
        return f"{self.network}:{'x'.join(map(str, self.sizes))}"


def shape_of(text: str) -> Shape:
    """Read NETWORK:ROWSxCHANNELSxHEIGHTxWIDTH."""
    match = _SHAPE.fullmatch(text)
    if not match:
        raise ConfigError(f"shape={text}: write NETWORK:ROWSxCHANNELSxHEIGHTxWIDTH, e.g. rnet:100x3x24x24")
    return Shape(match[1], tuple(map(int, match[2].split("x"))))


def shaped(network: Network, sizes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Draw inputs of a shape, or say why the network does not take it."""
    if len(network.inputs) != 1:
        raise ConfigError(
            f"network '{network.name}' has {len(network.inputs)} inputs: shape= is for those with one"
        )
    spec = network.inputs[0]
    fixed = [network.batch or "batch", *spec.shape[1:]]
    if len(sizes) != len(fixed) or any(
        isinstance(n, int) and n != m for n, m in zip(fixed, sizes, strict=True)
    ):
        wanted = "x".join(map(str, fixed))
        raise ConfigError(f"network '{network.name}' takes {wanted}, not {'x'.join(map(str, sizes))}")
    rng = np.random.default_rng(0)
    if np.issubdtype(np.dtype(spec.dtype), np.integer):
        return {spec.name: rng.integers(0, 256, sizes).astype(spec.dtype)}
    return {spec.name: rng.standard_normal(sizes).astype(spec.dtype)}


def batch_of(network: Network, seen: Tensors | None, rows: int) -> dict[str, np.ndarray]:
    """Give inputs of so many rows: those that a picture asked for, again and again; else drawn ones."""
    rows = network.batch or rows
    if seen is None:
        return dict(network.example_inputs(rows))
    return {name: np.ascontiguousarray(np.resize(one, (rows, *one.shape[1:]))) for name, one in seen.items()}


def pick(networks: dict[str, Network], name: str) -> Network:
    """Find a network by its name."""
    if name not in networks:
        raise ConfigError(f"shape={name}:...: the model has no such network. {suggest(name, networks)}")
    return networks[name]
