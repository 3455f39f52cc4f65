"""Connections with patience and its bounds: heads must be whole in time, answers are left time to be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
HEAD_BYTES = 32_768
LINGER_SECONDS = 5.0
LINGER_BYTES = 16_000_000


class _Transport:
    """A transport that somebody else closes."""

    def __init__(self, inner: asyncio.Transport, close: Callable[[], None]) -> None:
        self._inner, self.close = inner, close
        self.lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def is_closing(self) -> bool:
        """Tell whether nothing will be sent any more."""
        return self.lingers or self._inner.is_closing()


class PatientProtocol(H11Protocol):
    """HTTP/1.1 whose heads have a time by which they must be whole; uvicorn bounds their bytes.

    A client that is refused while it sends is listened to for a while: a socket that is closed with bytes
    unread resets the connection, and the reset overtakes the answer.
    """

    head_seconds, linger_seconds, linger_bytes = HEAD_SECONDS, LINGER_SECONDS, LINGER_BYTES
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        self._inner, self._outer = transport, _Transport(transport, self._close)
        super().connection_made(self._outer)  # type: ignore[arg-type]
        self._wait(self.head_seconds)

    def data_received(self, data: bytes) -> None:
        """Wait on as long as the head is not whole."""
        if self._outer.lingers:
            self.linger_bytes -= len(data)
            if self.linger_bytes < 0:
                self._inner.abort()
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait(self.head_seconds)
        elif not self._outer.lingers:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _close(self) -> None:
        """Close a connection; where the client is still sending, say that this was all, and read on."""
        if self._outer.is_closing() or self.conn.their_state not in (h11.SEND_BODY, h11.ERROR):
            self._inner.close()
            return
        self._outer.lingers = True
        self._inner.write_eof()
        self.flow.resume_reading()
        self._stop()
        self._wait(self.linger_seconds)

    def _wait(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self._inner.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def patient(seconds: float, size: int = LINGER_BYTES) -> type[PatientProtocol]:
    """Give the protocol for a service whose requests may take so long and have so many bytes."""
    bounds = {"head_seconds": min(HEAD_SECONDS, seconds), "linger_bytes": size}
    return type("PatientProtocol", (PatientProtocol,), bounds)
