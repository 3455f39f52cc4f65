"""A camera over a WebSocket: a queue of one frame, the newest wins; one model, or two side by side."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect

from faceport.errors import FaceportError
from faceport.ops.boxes import iou
from faceport.ops.tracks import Tracker, best_pairs
from faceport.types import Faces
from faceport_serve.answers import Wish, content, dumps, sure
from faceport_serve.catalogue import Catalogue
from faceport_serve.faces import tracked
from faceport_serve.frames import Format, read_format, read_frame
from faceport_serve.guard import is_token
from faceport_serve.limits import Limits
from faceport_serve.numbers import Numbers
from faceport_serve.served import Served

HELLO_SECONDS = 10.0  # until the first message
MOST_SIDES = 2  # models that look at the same frames
SAME_FACE = 0.5  # overlap from which two boxes are taken for one face


@dataclass
class _Camera:
    """What is known of one connection."""

    names: list[str | None] = field(default_factory=lambda: [None])
    trackers: list[Tracker] = field(default_factory=lambda: [Tracker()])  # one for each model
    threshold: float = 0.5
    format: Format = field(default_factory=Format)
    number: int = -1  # of the newest frame
    newest: bytes | None = None  # the queue of one
    dropped: int = 0
    error: str = ""
    fresh: asyncio.Event = field(default_factory=asyncio.Event)


class Live:
    """Answer cameras."""

    def __init__(self, catalogue: Catalogue, limits: Limits, numbers: Numbers, token: str | None) -> None:
        self._catalogue, self._limits, self._numbers, self._token = catalogue, limits, numbers, token
        self.count = 0

    async def camera(self, socket: WebSocket) -> None:
        """Answer frames (bytes) with faces; settings come as texts of JSON, the first with the token."""
        await socket.accept()
        if self.count >= self._limits.cameras:
            await _refuse(socket, f"{self.count} cameras are watched already: try again", 1013)
            return
        self.count += 1
        camera = _Camera()
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                settings = _settings(await socket.receive_text())
            if self._token and not is_token(str(settings.get("token", "")), self._token):
                await _refuse(socket, "the token is missing or wrong", 1008)
                return
            self._set(camera, settings)
            tasks = [asyncio.create_task(self._receive(socket, camera))]
            tasks.append(asyncio.create_task(self._answer(socket, camera)))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except HTTPException as error:
            await _refuse(socket, error.detail, 1008)
        except (TimeoutError, KeyError):
            await _refuse(socket, "the first message must be text: settings in JSON", 1008)
        except (WebSocketDisconnect, RuntimeError):
            pass  # it went away
        finally:
            self.count -= 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _set(self, camera: _Camera, settings: dict[str, Any]) -> None:
        """Take settings over, wholly or not at all."""
        names = settings.get("models", camera.names)
        if not isinstance(names, list) or not 0 < len(names) <= MOST_SIDES:
            raise HTTPException(400, f"models must be a list of one or {MOST_SIDES} names")
        for name in names:
            self._catalogue.get(str(name) if name else None)
        threshold = settings.get("threshold", camera.threshold)
        if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
            raise HTTPException(400, "threshold must be a number from 0 to 1")
        if "format" in settings:
            camera.format = read_format(settings, self._limits)
        if names != camera.names:
            camera.trackers = [Tracker() for _ in names]
        camera.names, camera.threshold = names, float(threshold)

    async def _receive(self, socket: WebSocket, camera: _Camera) -> None:
        """Keep the newest frame; settings may change at any time."""
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if message.get("text") is not None:
                try:
                    self._set(camera, _settings(message["text"]))
                except HTTPException as error:  # what was set before stays
                    camera.error = error.detail
                continue
            camera.number += 1
            if camera.newest is not None:
                camera.dropped += 1
                self._numbers.dropped()
            camera.newest = message.get("bytes") or b""
            camera.fresh.set()

    async def _answer(self, socket: WebSocket, camera: _Camera) -> None:
        """Look at the newest frame, one after the other."""
        while True:
            await camera.fresh.wait()
            camera.fresh.clear()
            data, camera.newest = camera.newest, None
            answer: dict[str, Any] = {"frame": camera.number, "dropped": camera.dropped}
            assert data is not None  # it is fresh
            try:
                answer |= await self._look(data, camera)
            except HTTPException as error:
                answer["error"] = error.detail
            except FaceportError:
                answer["error"] = "the model failed on this frame"
            except TimeoutError:
                answer["error"] = f"no answer within {self._limits.seconds:g} seconds"
            if camera.error:
                answer["error"], camera.error = camera.error, ""
            await socket.send_text(dumps(answer).decode())

    async def _look(self, data: bytes, camera: _Camera) -> dict[str, Any]:
        picture = read_frame(data, camera.format, self._limits)
        sides: list[Served] = [self._catalogue.get(name) for name in camera.names]
        answers, found = [], []
        # One after the other, so that neither costs the other time.
        for served, tracker in zip(sides, camera.trackers, strict=True):
            ticket = served.look(picture)
            try:
                async with asyncio.timeout(self._limits.seconds):
                    prediction = await asyncio.wrap_future(ticket.future)
            finally:
                ticket.future.cancel()
            faces = tracked(tracker, sure(prediction, camera.threshold, self._limits.faces))
            found.append(faces)
            answers.append(
                {"model": served.name, **content(faces, Wish().fields), "milliseconds": ticket.stages}
            )
        assert picture.image is not None  # it was looked at
        height, width = picture.image.shape[:2]
        answer: dict[str, Any] = {"width": width, "height": height, "answers": answers}
        if len(found) == MOST_SIDES:
            answer["disagreement"] = disagreement(*found)
        return answer


def disagreement(first: Faces, second: Faces) -> dict[str, Any]:
    """Say how far the faces of two models differ: those that one alone has, and where both have them.

    Overlap is the mean of the pairs' IoU; distances of landmarks are shares of the box's diagonal.
    """
    if first.boxes is None or second.boxes is None:
        return {}
    overlaps = iou(first.boxes, second.boxes) if len(first) and len(second) else np.zeros((0, 0))
    pairs = best_pairs(overlaps, SAME_FACE)
    differences: dict[str, Any] = {
        "both": len(pairs),
        "first_only": len(first) - len(pairs),
        "second_only": len(second) - len(pairs),
        "overlap": float(np.mean([overlaps[pair] for pair in pairs])) if pairs else None,
    }
    for name in ("landmarks", "points"):
        one, other = getattr(first, name), getattr(second, name)
        if pairs and one is not None and other is not None and one.shape[1:] == other.shape[1:]:
            rows, columns = map(list, zip(*pairs, strict=True))
            box = first.boxes[rows]
            diagonal = np.linalg.norm(box[:, 2:] - box[:, :2], axis=1)
            far = np.linalg.norm(one[rows] - other[columns], axis=2).mean(axis=1)
            differences[name] = float((far / np.maximum(diagonal, 1e-9)).mean())
    return differences


def _settings(text: str) -> dict[str, Any]:
    try:
        settings = orjson.loads(text)
    except ValueError as error:
        raise HTTPException(400, "settings must be JSON") from error
    if not isinstance(settings, dict):
        raise HTTPException(400, "settings must be an object in braces")
    return settings


async def _refuse(socket: WebSocket, sentence: str, code: int) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.send_text(dumps({"error": sentence}).decode())
        await socket.close(code)
