"""The application: routes, errors that are sentences in JSON, the guard in front of them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from faceport.errors import FaceportError
from faceport_serve.answers import json
from faceport_serve.catalogue import Catalogue
from faceport_serve.faces import Looking
from faceport_serve.gallery import Gallery
from faceport_serve.guard import Guard
from faceport_serve.inference import Inference
from faceport_serve.limits import Limits, Rates, Room
from faceport_serve.live import Live
from faceport_serve.numbers import CONTENT_TYPE, Numbers
from faceport_serve.people import People

LOG = logging.getLogger("faceport.serve")
DESCRIPTION = Path(__file__).with_name("openapi.yaml")
PAGE = Path(__file__).with_name("page")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Models:
    """Answer requests about the models, the service itself and its numbers."""

    def __init__(self, catalogue: Catalogue, numbers: Numbers) -> None:
        self._catalogue, self._numbers = catalogue, numbers

    async def health(self, request: Request) -> Response:
        """Say that models are open and warm."""
        names = [one.name for one in self._catalogue.open]
        return json({"status": "ready" if names else "loading", "models": names}, 200 if names else 503)

    async def models(self, request: Request) -> Response:
        """List what may be loaded and what is."""
        return json({"models": self._catalogue.states()})

    async def model(self, request: Request) -> Response:
        """Describe one model."""
        return json(self._catalogue.state(request.path_params["name"]))

    async def load(self, request: Request) -> Response:
        """Load a model; the answer comes when it is warm."""
        await self._catalogue.load(request.path_params["name"])
        return json(self._catalogue.state(request.path_params["name"]))

    async def unload(self, request: Request) -> Response:
        """Unload a model, once what it was asked is answered."""
        await self._catalogue.unload(request.path_params["name"])
        return json(self._catalogue.state(request.path_params["name"]))

    async def metrics(self, request: Request) -> Response:
        """Give the numbers for Prometheus."""
        return Response(self._numbers.text(), media_type=CONTENT_TYPE)

    async def openapi(self, request: Request) -> Response:
        """Describe this interface."""
        return json(description())


async def page(request: Request) -> Response:
    """Give the page for people."""
    return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": POLICY})


async def docs(request: Request) -> Response:
    """Give the page that describes the interface."""
    return FileResponse(PAGE / "docs.html", headers={"Content-Security-Policy": POLICY})


@cache
def description() -> Any:
    """Read the description of the interface."""
    return yaml.safe_load(DESCRIPTION.read_text("utf-8"))


async def _sentence(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # What is left of a body is not waited for: the connection ends with the answer.
    headers = {**(error.headers or {}), **({"Connection": "close"} if error.status_code >= 400 else {})}
    return json({"error": error.detail}, error.status_code, headers)


async def _mistake(request: Request, error: Exception) -> Response:
    LOG.error("%s", error)
    return json({"error": "the model failed on this request; the log of the service says why"}, 500)


async def _fault(request: Request, error: Exception) -> Response:
    return json({"error": "the service failed on this request; its log says why"}, 500)


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


def make_app(
    catalogue: Catalogue,
    limits: Limits,
    *,
    gallery: Gallery | None = None,
    same: float | None = None,
    token: str | None = None,
    local: bool = True,
    numbers: Numbers | None = None,
) -> ASGIApp:
    """Make the application; who has a token to guard it may be called from anywhere."""
    numbers, room = numbers or Numbers(), Room(limits)
    looking = Looking(catalogue, limits, room, same)
    people = People(looking, gallery or Gallery())
    models, inference = Models(catalogue, numbers), Inference(catalogue, limits, room)
    live = Live(catalogue, limits, numbers, token)
    numbers.gauge("queue", "Pictures that are looked at or wait for it.", lambda: room.busy)
    numbers.gauge("uploads", "Bodies on their way here.", lambda: room.uploading)
    numbers.gauge("upload_bytes", "Bytes of bodies in memory.", lambda: room.bytes)
    numbers.gauge("cameras", "Live connections.", lambda: live.count)
    numbers.gauge("models", "Models that are loaded.", lambda: len(catalogue.open))

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        yield
        catalogue.close()

    inner = Starlette(
        routes=[
            Route("/v1/faces", looking.faces, methods=["POST"]),  # first: they are tried in their order
            Route("/", page),
            Route("/docs", docs),
            Mount("/page", StaticFiles(directory=PAGE)),
            WebSocketRoute("/v1/live", live.camera),
            *inference.routes(),
            Route("/health", models.health),
            Route("/metrics", models.metrics),
            Route("/openapi.json", models.openapi),
            Route("/v1/verify", looking.verify, methods=["POST"]),
            Route("/v1/search", people.search, methods=["POST"]),
            Route("/v1/gallery", people.list, methods=["GET"]),
            Route("/v1/gallery", people.enrol, methods=["POST"]),
            Route("/v1/gallery/{id:int}", people.delete, methods=["DELETE"]),
            Route("/v1/models", models.models),
            Route("/v1/models/{name}", models.model),
            Route("/v1/models/{name}/load", models.load, methods=["POST"]),
            Route("/v1/models/{name}/unload", models.unload, methods=["POST"]),
        ],
        exception_handlers={
            HTTPException: _sentence,
            FaceportError: _mistake,
            ClientDisconnect: _left,
            Exception: _fault,
        },
        lifespan=life,
    )
    return Guard(inner, numbers, Rates(limits.rate), token, local)
