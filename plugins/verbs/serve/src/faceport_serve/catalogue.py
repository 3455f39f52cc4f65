"""The models that may be loaded by name, and those that are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from starlette.exceptions import HTTPException

from faceport.errors import FaceportError, suggest
from faceport_serve.served import Offer, Served

Build = Callable[[Offer], Served]


class Catalogue:
    """Load and unload models by the names that whoever runs the service offers."""

    def __init__(
        self,
        offers: Sequence[Offer],
        build: Build,
        most: int,
        changed: Callable[[list[str]], object] = lambda names: None,
    ) -> None:
        self._offers = {offer.name: offer for offer in offers}
        self._build, self._most, self._changed = build, most, changed
        self._open: dict[str, Served] = {}
        self._failed: dict[str, str] = {}
        self._busy = ""  # what is being loaded or unloaded
        self._lock = asyncio.Lock()

    @property
    def first(self) -> str:
        """Name of the model that the command line chose."""
        return next(iter(self._offers))

    @property
    def open(self) -> list[Served]:
        """What is loaded, that of the command line first."""
        return list(self._open.values())

    def start(self, names: Sequence[str] = ()) -> None:
        """Load the first model, and others that were loaded before; only the first must succeed."""
        self._open[self.first] = _ready(self._build, self._offers[self.first])
        for name in dict.fromkeys(names):
            if name in self._offers and name not in self._open and len(self._open) < self._most:
                try:
                    self._open[name] = _ready(self._build, self._offers[name])
                except FaceportError as error:
                    self._failed[name] = str(error)

    def get(self, name: str | None = None) -> Served:
        """Give a model that is loaded; without a name, the first."""
        found = self._open.get(name or self.first)
        if found is not None:
            return found
        self._offer(name or self.first)
        raise HTTPException(
            409, f"model '{name}' is not loaded: POST /v1/models/{name}/load", {"Retry-After": "1"}
        )

    def _offer(self, name: str) -> Offer:
        if name not in self._offers:
            raise HTTPException(
                404, f"no model '{name[:100]}' is offered here. {suggest(name[:100], self._offers)}"
            )
        return self._offers[name]

    def state(self, name: str) -> dict[str, Any]:
        """Describe one model: offered, loading, ready, failed."""
        offer = self._offer(name)
        if name in self._open:
            return {**self._open[name].facts(), "state": "ready"}
        if self._busy == name:
            return {**offer.facts(), "state": "loading"}
        if name in self._failed:
            return {**offer.facts(), "state": "failed", "error": self._failed[name]}
        return {**offer.facts(), "state": "offered"}

    def states(self) -> list[dict[str, Any]]:
        """Describe all models."""
        return [self.state(name) for name in self._offers]

    async def load(self, name: str) -> Served:
        """Compile, open and warm up a model; others go on answering meanwhile."""
        offer = self._offer(name)
        async with self._lock:
            if name in self._open:
                return self._open[name]
            if len(self._open) >= self._most:
                raise HTTPException(
                    409, f"{len(self._open)} models are loaded, and no more may be: unload one first"
                )
            self._busy = name
            self._failed.pop(name, None)
            try:
                self._open[name] = await asyncio.to_thread(_ready, self._build, offer)
            except FaceportError as error:
                self._failed[name] = str(error)
                raise HTTPException(503, f"{name} cannot be loaded: {error}") from error
            finally:
                self._busy = ""
            self._tell()
            return self._open[name]

    async def unload(self, name: str) -> None:
        """Finish what a model was asked and close it."""
        self._offer(name)
        if name == self.first:
            raise HTTPException(409, f"{name} is the model that this service was started with: it stays")
        async with self._lock:
            served = self._open.pop(name, None)
            if served is not None:
                served.shut()
                await asyncio.to_thread(served.close)
                self._tell()

    def _tell(self) -> None:
        self._changed(list(self._open))

    def close(self) -> None:
        """Finish everything and close all models."""
        for served in self._open.values():
            served.close()
        self._open.clear()


def _ready(build: Build, offer: Offer) -> Served:
    """Build a model and warm it up."""
    served = build(offer)
    try:
        served.warm_up()
    except BaseException:
        served.close()
        raise
    return served
