"""Pictures into faces: one picture, or two that are held against each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from faceport.ops.tracks import Tracker
from faceport.types import Faces, Prediction
from faceport_serve.answers import (
    DRAWN_FROM,
    Wish,
    content,
    drawn,
    json,
    number,
    read_wish,
    sure,
    wanted_picture,
)
from faceport_serve.catalogue import Catalogue
from faceport_serve.frames import Format, read_format, read_frame
from faceport_serve.limits import Limits, Room
from faceport_serve.pictures import Picture, read_files, read_pictures
from faceport_serve.served import Served, Ticket
from faceport_serve.videos import Film, video_suffix

Handler = Callable[[Any, Request], Awaitable[Response]]


def in_time(handler: Handler) -> Handler:
    """Answer 504 where a request takes longer than it may."""

    @wraps(handler)
    async def timed(self: Any, request: Request) -> Response:
        seconds = self.limits.seconds
        try:
            async with asyncio.timeout(seconds):
                return await handler(self, request)
        except TimeoutError as error:
            raise HTTPException(504, f"no answer within {seconds:g} seconds") from error

    return timed


class Looking:
    """Answer requests that bring pictures."""

    def __init__(self, catalogue: Catalogue, limits: Limits, room: Room, same: float | None = None) -> None:
        self.catalogue, self.limits, self.room, self.same = catalogue, limits, room, same

    @in_time
    async def faces(self, request: Request) -> Response:
        """Answer a picture with its faces, or with a copy that has them on it; a video, frame by frame."""
        query, kind = request.query_params, wanted_picture(request)
        wish = read_wish(query, ("stride", "format", "width", "height"))
        stride = int(number(query, "stride", 1, 10_000) or 1)
        format_ = self._format(query)
        served = self.catalogue.get(wish.model)
        check_fields(wish, served)
        (data,) = await read_files(request, ("picture",), self.limits, self.room)
        suffix = None if format_ else video_suffix(data)
        if suffix:
            return await self._video(request, served, data, suffix, stride, wish)
        called = "the frame" if format_ else "the picture"
        picture = read_frame(data, format_ or Format(), self.limits, called)
        ((faces, ticket),) = await self.look(request, served, [picture], wish)
        assert picture.image is not None  # it was looked at
        if kind:
            shown = faces
            if wish.threshold is None and faces.scores is not None:
                shown = faces[faces.scores >= DRAWN_FROM]
            return await asyncio.to_thread(drawn, picture.image, shown, kind)
        height, width = picture.image.shape[:2]
        answer = {"model": served.name, "width": width, "height": height, **content(faces, wish.fields)}
        return json({**answer, "milliseconds": ticket.stages})

    def _format(self, query: Mapping[str, str]) -> Format | None:
        """Read what the bytes are, where it is said: a frame as cameras give it has no header."""
        if "format" not in query:
            return None
        sides = {side: int(number(query, side, 1, 2**15) or 0) for side in ("width", "height")}
        return read_format({"format": query["format"], **sides}, self.limits)

    async def _video(
        self, request: Request, served: Served, data: bytes, suffix: str, stride: int, wish: Wish
    ) -> Response:
        """Look at the frames of a video, one after the other; faces keep their numbers."""
        with self.room.place():
            film = await asyncio.to_thread(Film, data, suffix, stride, self.limits)
            try:
                frames: list[dict[str, Any]] = []
                tracker, size = Tracker(), (0, 0)
                while (frame := await asyncio.to_thread(film.next)) is not None:
                    size = frame.image.shape[:2]
                    (answer,) = await unless_gone(
                        request, [served.look(Picture(b"", "the frame", frame.image))]
                    )
                    faces = tracked(tracker, sure(answer, wish.threshold, self.limits.faces))
                    frames.append({"frame": len(frames) * stride, **content(faces, wish.fields)})
            finally:
                film.close()
        request.state.log.update(model=served.name, frames=len(frames))
        about = {"model": served.name, "width": size[1], "height": size[0], "fps": film.fps}
        return json({**about, "frames": frames})

    @in_time
    async def verify(self, request: Request) -> Response:
        """Say how alike the largest faces of two pictures are."""
        wish = read_wish(request.query_params, ("same",))
        same = number(request.query_params, "same", -1.0, 1.0)
        served = self.embedder(wish)
        pictures = await read_pictures(request, ("first", "second"), self.limits, self.room)
        looked = await self.look(request, served, pictures, wish)
        largest = [largest_face(faces, one.name) for (faces, _), one in zip(looked, pictures, strict=True)]
        alike = likeness(*largest)
        bound = self.same if same is None else same
        verdict = {} if bound is None else {"same": alike["similarity"] >= bound, "same_from": bound}
        shown = {
            name: content(face, wish.fields) for name, face in zip(("first", "second"), largest, strict=True)
        }
        return json({"model": served.name, **alike, **verdict, **shown})

    def embedder(self, wish: Wish) -> Served:
        """Give the model that was asked for, which must give embeddings."""
        served = self.catalogue.get(wish.model)
        if "embeddings" not in served.provides:
            able = [one.name for one in self.catalogue.open if "embeddings" in one.provides]
            cure = f"choose model={able[0]}" if able else "start the service with one that does, e.g. facenet"
            raise HTTPException(400, f"{served.name} gives no embeddings: {cure}")
        return served

    async def look(
        self, request: Request, served: Served, pictures: list[Picture], wish: Wish
    ) -> list[tuple[Faces, Ticket]]:
        """Look at pictures while somebody waits for it; whoever goes away leaves the queue."""
        with self.room.place(len(pictures)):
            tickets = [served.look(picture) for picture in pictures]
            answers = await unless_gone(request, tickets)
        request.state.log.update(model=served.name)
        found = [sure(answer, wish.threshold, self.limits.faces) for answer in answers]
        request.state.log.update(faces=sum(map(len, found)))
        return list(zip(found, tickets, strict=True))


async def unless_gone(request: Request, tickets: list[Ticket]) -> list[Prediction]:
    """Wait for pictures; where the client goes away or time is over, they leave the queue."""
    answers = asyncio.gather(*(asyncio.wrap_future(ticket.future) for ticket in tickets))
    gone = asyncio.ensure_future(request.receive())
    try:
        either: set[asyncio.Future[Any]] = {answers, gone}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answers.done():
            raise ClientDisconnect
        return answers.result()
    finally:
        gone.cancel()
        for ticket in tickets:
            ticket.future.cancel()
        answers.cancel()
        with suppress(asyncio.CancelledError, Exception):
            answers.exception() if answers.done() else None


def tracked(tracker: Tracker, faces: Faces) -> Faces:
    """Give faces of the next frame the numbers that they had before."""
    if faces.boxes is None:
        return faces
    numbers = tracker.follow(faces.boxes, faces.embeddings)
    return faces.with_fields(attributes={**faces.attributes, "track": numbers})


def check_fields(wish: Wish, served: Served) -> None:
    """Refuse to be asked for what a model does not find, where it was asked for by name."""
    if wish.fields == Wish().fields:
        return
    lacking = sorted(wish.fields - served.provides - {"attributes", "identities"})
    if lacking:
        raise HTTPException(
            400, f"{served.name} gives no {lacking[0]}; it gives {', '.join(sorted(served.provides))}"
        )


def largest_face(faces: Faces, where: str) -> Faces:
    """Pick the face that takes most of a picture."""
    if not len(faces):
        raise HTTPException(422, f"there is no face in {where}")
    if faces.boxes is None:
        return faces[:1]
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    at = int(np.argmax(sides[:, 0] * sides[:, 1]))
    return faces[at : at + 1]


def likeness(first: Faces, second: Faces) -> dict[str, float]:
    """Measure how alike two faces are: the cosine of their embeddings, and how far apart these are."""
    assert first.embeddings is not None and second.embeddings is not None  # of a model that gives them
    a, b = (one[0].astype(np.float64) for one in (first.embeddings, second.embeddings))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return {
        "similarity": float(a @ b) / size if size else 0.0,
        "distance": float(np.linalg.norm(a - b)),
    }
