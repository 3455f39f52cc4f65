"""The gallery over HTTP: enrol, list, delete, search."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from faceport_serve.answers import content, json, number, read_wish
from faceport_serve.faces import Looking, in_time, largest_face
from faceport_serve.gallery import FullError, Gallery
from faceport_serve.pictures import read_pictures

MOST_LETTERS = 200  # of a name


class People:
    """Answer requests about who is enrolled."""

    def __init__(self, looking: Looking, gallery: Gallery) -> None:
        self._looking, self._gallery = looking, gallery
        self.limits = looking.limits

    async def list(self, request: Request) -> Response:
        """List who is enrolled; a long list comes in pages."""
        query = request.query_params
        after, limit = number(query, "after", 0, 2**53) or 0, number(query, "limit", 1, 1000) or 100
        faces = await asyncio.to_thread(self._gallery.page, int(after), int(limit))
        return json({"count": self._gallery.count(), "faces": faces})

    @in_time
    async def enrol(self, request: Request) -> Response:
        """Keep the largest face of a picture under a name."""
        wish = read_wish(request.query_params, ("name",))
        name = request.query_params.get("name", "").strip()
        if not name or len(name) > MOST_LETTERS or not name.isprintable():
            raise HTTPException(400, f"give the name to enrol: ?name=NAME, at most {MOST_LETTERS} letters")
        served = self._looking.embedder(wish)
        pictures = await read_pictures(request, ("picture",), self.limits, self._looking.room)
        ((faces, _),) = await self._looking.look(request, served, pictures, wish)
        face = largest_face(faces, "the picture")
        assert face.embeddings is not None  # of a model that gives them
        try:
            number_ = await asyncio.to_thread(self._gallery.enrol, name, served.space, face.embeddings[0])
        except FullError as error:
            raise HTTPException(409, str(error)) from error
        return json({"id": number_, "name": name, **content(face, wish.fields)}, 201)

    async def delete(self, request: Request) -> Response:
        """Forget a face."""
        number_ = request.path_params["id"]
        if not await asyncio.to_thread(self._gallery.delete, min(number_, 2**62)):
            raise HTTPException(404, f"nobody is enrolled with the number {number_}")
        return Response(status_code=204)

    @in_time
    async def search(self, request: Request) -> Response:
        """Find who the faces of a picture are most like."""
        wish = read_wish(request.query_params, ("top",))
        top = int(number(request.query_params, "top", 1, 100) or 5)
        served = self._looking.embedder(wish)
        pictures = await read_pictures(request, ("picture",), self.limits, self._looking.room)
        ((faces, _),) = await self._looking.look(request, served, pictures, wish)
        matches: list[list[object]] = []
        if len(faces) and faces.embeddings is not None:
            found = await asyncio.to_thread(self._gallery.search, served.space, faces.embeddings, top)
            matches = [[asdict(match) for match in one] for one in found]
        image = pictures[0].image
        assert image is not None  # it was looked at
        size = {"width": image.shape[1], "height": image.shape[0]}
        return json({"model": served.name, **size, **content(faces, wish.fields), "matches": matches})
