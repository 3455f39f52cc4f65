"""Send pictures to a service from a process of its own; a JSON job comes on standard input, answers go out.

Open loop: requests are due at moments drawn beforehand (Poisson arrivals), whatever became of those before;
a latency counts from the moment that a request was due. Closed loop: so many connections, each of which asks
again as soon as it is answered. Nothing of faceport is used here: a request is bytes that are ready.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Answer = tuple[
    float, int, float
]  # when it was due, status (0: the connection broke), seconds until it was whole


class Connection(asyncio.Protocol):
    """Ask one request after the other; reads no more of an answer than its status and its length."""

    def __init__(self) -> None:
        self.open = True
        self._answered: asyncio.Future[int] | None = None
        self._begin()

    def _begin(self) -> None:
        self._head, self._left, self._status, self._closes = b"", -1, 0, False

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Send a request; give the status that will come."""
        self._begin()
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        """Count bytes until the answer is whole."""
        if self._left < 0:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            lines = head.lower().split(b"\r\n")
            self._status = int(lines[0].split()[1])
            self._closes = b"connection: close" in lines
            self._left = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            data = rest
        self._left -= len(data)
        if self._left <= 0:
            self._end(self._status)

    def connection_lost(self, error: Exception | None) -> None:
        """Give up what was asked."""
        self.open = False
        self._end(0)

    def _end(self, status: int) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(status)
        if self._closes:
            self.open = False
            self._transport.close()


class Sender:
    """Connections to one address, used again where they stay open."""

    def __init__(self, job: dict[str, Any]) -> None:
        address = job["address"].removeprefix("http://")
        self._host, self._port = address.rsplit(":", 1)
        self._idle: list[Connection] = []
        head = f"POST /v1/faces HTTP/1.1\r\nHost: {address}\r\n"
        self._requests = [
            f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
            for data in (Path(path).read_bytes() for path in job["pictures"])
        ]
        self.answers: list[Answer] = []

    async def ask(self, number: int, due: float) -> None:
        """Send one picture and note what came of it."""
        connection = None
        while self._idle and connection is None:
            one = self._idle.pop()
            connection = one if one.open else None
        status = 0
        try:
            if connection is None:
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(Connection, self._host, int(self._port))
            status = await connection.ask(self._requests[number % len(self._requests)])
            if connection.open:
                self._idle.append(connection)
        except OSError:
            pass
        self.answers.append((due, status, time.perf_counter() - due))

    async def closed(self, connections: int, count: int) -> None:
        """Have so many requests under way until so many are answered."""
        numbers: Iterator[int] = iter(range(count))

        async def one() -> None:
            for number in numbers:
                await self.ask(number, time.perf_counter())

        await asyncio.gather(*(one() for _ in range(connections)))

    async def open(self, rate: float, seconds: float, seed: int) -> None:
        """Ask when requests are due; wait for all answers at the end."""
        draw, begun, due, tasks = random.Random(seed), time.perf_counter(), 0.0, []
        while (due := due + draw.expovariate(rate)) < seconds:
            await asyncio.sleep(max(0.0, begun + due - time.perf_counter()))
            tasks.append(asyncio.create_task(self.ask(len(tasks), begun + due)))
        await asyncio.gather(*tasks)


async def main() -> None:
    """Do jobs, one a line, until there are no more."""
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)
        sender, begun, spent = Sender(job), time.perf_counter(), time.process_time()
        if "rate" in job:
            await sender.open(job["rate"], job["seconds"], job["seed"])
        else:
            await sender.closed(job["connections"], job["count"])
        answers = [(due - begun, status, seconds) for due, status, seconds in sender.answers]
        result = {
            "seconds": time.perf_counter() - begun,
            "cpu": time.process_time() - spent,
            "answers": answers,
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
