"""Ask a service from Python: `Client(address).faces("photo.jpg")`; needs neither torch nor a web library."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import orjson

from faceport.data.predictions import from_json
from faceport.errors import FaceportError
from faceport.types import FIELDS, Faces

Picture = bytes | str | os.PathLike[str]  # what a JPEG, PNG or WebP file holds, or where it lies


class RefusedError(FaceportError):
    """The service did not answer as asked; its sentence says why."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status  # of HTTP; 0: nobody answered


class Client:
    """Ask one service; where it has no room, come again when it says so."""

    def __init__(
        self, address: str = "http://127.0.0.1:8000", token: str | None = None, seconds: float = 60.0
    ) -> None:
        self._address, self._seconds = address.rstrip("/"), seconds
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def faces(self, picture: Picture, **query: Any) -> Faces:
        """Find the faces of a picture; `model`, `fields` and `threshold` are as in the query of /v1/faces."""
        return faces_of(self.ask("POST", "/v1/faces", query, _read(picture)))

    def video(self, video: Picture, **query: Any) -> list[Faces]:
        """Find the faces of a short video, frame by frame; `stride=2` looks at every second one."""
        return [
            faces_of(frame) for frame in self.ask("POST", "/v1/faces", query, _read(video)).get("frames", [])
        ]

    def verify(self, first: Picture, second: Picture, **query: Any) -> dict[str, Any]:
        """Say how alike the largest faces of two pictures are."""
        mark = secrets.token_hex(16)
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode()
            + _read(picture)
            + b"\r\n"
            for name, picture in (("first", first), ("second", second))
        ]
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        body = b"".join([*parts, f"--{mark}--\r\n".encode()])
        answer: dict[str, Any] = self.ask("POST", "/v1/verify", query, body, kind)
        return answer

    def enrol(self, name: str, picture: Picture, **query: Any) -> int:
        """Keep the largest face of a picture in the gallery; give its number."""
        return int(self.ask("POST", "/v1/gallery", {"name": name, **query}, _read(picture))["id"])

    def forget(self, number: int) -> None:
        """Delete a face from the gallery."""
        self.ask("DELETE", f"/v1/gallery/{number}")

    def search(self, picture: Picture, **query: Any) -> list[list[dict[str, Any]]]:
        """Find, for each face of a picture, who of the gallery is most like it: id, name, similarity."""
        matches: list[list[dict[str, Any]]] = self.ask("POST", "/v1/search", query, _read(picture))["matches"]
        return matches

    def models(self) -> list[dict[str, Any]]:
        """List the models that may be loaded, and which are."""
        listed: list[dict[str, Any]] = self.ask("GET", "/v1/models")["models"]
        return listed

    def load(self, model: str) -> None:
        """Have a model loaded; returns once it is warm."""
        self.ask("POST", f"/v1/models/{quote(model, safe='')}/load")

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send any request and give its JSON; a refusal is raised with the service's sentence."""
        words = {key: value if isinstance(value, str) else str(value) for key, value in (query or {}).items()}
        address = f"{self._address}{path}" + (f"?{urlencode(words)}" if words else "")
        until = time.monotonic() + self._seconds
        while True:
            request = Request(address, body, {**self._headers, **(headers or {})}, method=method)
            try:
                with urlopen(request, timeout=max(1.0, until - time.monotonic())) as answer:
                    return orjson.loads(answer.read() or b"null")
            except HTTPError as error:
                with error:
                    sentence = _sentence(error)
                wait = float(error.headers.get("Retry-After") or 1)
                if error.code != 429 or time.monotonic() + wait > until:
                    raise RefusedError(sentence, error.code) from error
                time.sleep(wait)
            except (URLError, OSError, HTTPException, ValueError) as error:
                raise RefusedError(
                    f"{self._address} does not answer ({getattr(error, 'reason', error)}): is the service "
                    "running there?"
                ) from error


def faces_of(answer: Mapping[str, Any]) -> Faces:
    """Read the faces that an answer holds, checked as strictly as a file of predictions."""
    found = {name: answer[name] for name in FIELDS if name in answer}
    return from_json(orjson.dumps({"id": "answer", **found})).faces


def _read(picture: Picture) -> bytes:
    return picture if isinstance(picture, bytes) else Path(picture).read_bytes()


def _sentence(error: HTTPError) -> str:
    try:
        return str(orjson.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"the service answered {error.code}"
