"""What requests may cost, and the room there is for them: refused before memory grows."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException

CALLERS = 4096  # addresses whose rate is remembered
SLACK = 1_000_000  # bytes of bodies beside the pictures in them
UPLOADS = 4  # times as many requests may be on their way here as may be looked at


@dataclass(frozen=True)
class Limits:
    """What one request, and all together, may cost."""

    queue: int = 16  # pictures that are looked at or wait for it
    seconds: float = 30.0  # from the first byte to the answer
    bytes: int = 16_000_000
    pixels: int = 25_000_000  # said by the header of a picture, before it is decoded
    faces: int = 1000  # of one answer, the best ones
    cameras: int = 4  # live connections at once
    rate: float | None = None  # requests a second from one address
    frames: int = 300  # of one video


class Room:
    """Let requests in while there is room for them, and say when to come again where there is none."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.busy = self.uploading = self.bytes = 0
        self._pace = 0.0  # seconds between two answers under load, as lately
        self._last = 0.0

    def check(self) -> None:
        """Refuse early, before a body is read, what would find no room."""
        if self.busy >= self._limits.queue or self.uploading >= UPLOADS * self._limits.queue:
            raise self._full()

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Hold a place for a body that is on its way."""
        self.check()
        self.uploading += 1
        try:
            yield
        finally:
            self.uploading -= 1

    def hold(self, size: int) -> None:
        """Count bytes of bodies; all together they have a bound."""
        if self.bytes + size > self._limits.queue * self._limits.bytes + SLACK:
            raise self._full()
        self.bytes += size

    def free(self, size: int) -> None:
        """Let go of bytes."""
        self.bytes -= size

    @contextmanager
    def place(self, count: int = 1) -> Iterator[None]:
        """Hold places in the queue for pictures that are looked at."""
        if self.busy + count > self._limits.queue:
            raise self._full()
        crowded = self.busy > 1
        self.busy += count
        try:
            yield
        finally:
            self.busy -= count
            now = time.monotonic()
            if crowded:  # between answers of an idle service nothing is learnt
                self._pace += 0.1 * (min(now - self._last, 60.0) / count - self._pace)
            self._last = now

    def _full(self) -> HTTPException:
        wait = min(max(1, math.ceil(self.busy * self._pace)), 60)
        return HTTPException(
            429, f"{self.busy} pictures are being looked at: try again", {"Retry-After": str(wait)}
        )


class Rates:
    """Hold each address to a number of requests a second, bursts of twice as many allowed."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address -> tokens, when

    def wait(self, address: str) -> float:
        """Take one request; give the seconds to wait where it is one too many, else 0."""
        if self._rate is None:
            return 0.0
        now, most = time.monotonic(), max(1.0, 2 * self._rate)
        tokens, when = self._buckets.pop(address, (most, now))
        tokens = min(most, tokens + (now - when) * self._rate)
        allowed = tokens >= 1
        self._buckets[address] = (tokens - allowed, now)
        if len(self._buckets) > CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._rate
