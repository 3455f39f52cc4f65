"""What stands before every request: who may ask, how often, and one line of log for each."""

from __future__ import annotations

import hmac
import json
import logging
import math
import time
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faceport_serve.limits import Rates
from faceport_serve.numbers import Numbers

LOG = logging.getLogger("faceport.serve")
OPEN = ("/", "/health", "/docs", "/openapi.json", "/v2", "/v2/health/live", "/v2/health/ready")
OPEN_BELOW = "/page/"
LOCAL = ("localhost", "127.0.0.1", "::1")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """Refuse strangers, count and log the rest; neither pictures nor what is found in them are logged."""

    def __init__(
        self, app: ASGIApp, numbers: Numbers, rates: Rates, token: str | None = None, local: bool = True
    ) -> None:
        self._app, self._numbers, self._rates = app, numbers, rates
        self._token, self._local = token, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        log: dict[str, Any] = {}
        scope.setdefault("state", {})["log"] = log
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {key.lower() for key, _ in message.get("headers", ())}
                more = [pair for pair in HEADERS if pair[0] not in given]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        refusal = self.refusal(HTTPConnection(scope))
        try:
            if refusal is None:
                await self._app(scope, receive, watched)
            elif scope["type"] == "http":
                await refusal(scope, receive, watched)
            else:
                status = refusal.status_code
                await send({"type": "websocket.close", "code": 1008})
        finally:
            spent = time.perf_counter() - begun
            endpoint = getattr(scope.get("endpoint"), "__name__", "none")
            self._numbers.request(endpoint, status or 499, spent)
            line = {"method": scope.get("method", "WEBSOCKET"), "path": scope["path"][:200], **log}
            LOG.info("%s", json.dumps({**line, "status": status or 499, "ms": round(1e3 * spent, 2)}))

    def refusal(self, request: HTTPConnection) -> JSONResponse | None:
        """Give the answer to who may not ask."""
        host = _name(request.headers.get("host", ""))
        if self._local and host not in LOCAL:
            # A page of somebody else may have its own name lead to this machine.
            return _sentence(403, f"this service answers to {' and '.join(LOCAL[:2])} only")
        origin = request.headers.get("origin")
        if origin and _authority(origin) != request.headers.get("host", "").lower():
            return _sentence(403, "pages of other sites may not use this service")
        path = request.url.path
        # A page cannot send headers with a WebSocket: the first message of it brings the token.
        guarded = request.scope["type"] == "http" and path not in OPEN and not path.startswith(OPEN_BELOW)
        if self._token and guarded and not is_token(_bearer(request), self._token):
            return _sentence(
                401, "send the token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"}
            )
        wait = self._rates.wait(request.client.host if request.client else "")
        if wait:
            return _sentence(
                429, "too many requests a second: try again", {"Retry-After": str(math.ceil(wait))}
            )
        return None


def is_token(given: str, token: str) -> bool:
    """Compare a token in a time that tells nothing about it."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _bearer(request: HTTPConnection) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return "?"


def _sentence(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, {"Connection": "close", **(headers or {})})
