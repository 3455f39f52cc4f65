"""Servers on this machine whose every byte a test decides."""

from __future__ import annotations

import hashlib
import json
import re
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

BODY = bytes(range(256)) * 4000
SHA = hashlib.sha256(BODY).hexdigest()


# What TensorFlow.js writes beside a file of weights.
MANIFEST = json.dumps([{"paths": ["net.bin"], "weights": [{"name": "a", "shape": [1], "dtype": "float32"}]}])


def kept(cache: Path) -> list[str]:
    """List what lies in the cache beside locks and pins."""
    return sorted(
        file.name
        for file in cache.rglob("*")
        if file.is_file() and file.suffix != ".lock" and file.parent.name != "pins"
    )


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]

    @property
    def start(self) -> int:
        """Where the range begins that is asked for; 0 without one."""
        found = re.match(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else 0


Answer = Callable[[Request], bytes | Iterable[bytes]]


@dataclass
class Server:
    url: str
    answer: Answer
    requests: list[Request] = field(default_factory=list)


def reply(body: bytes = b"", status: str = "200 OK", length: object = None, **headers: str) -> bytes:
    """Write an answer; `length` replaces the true Content-Length, "" leaves it out."""
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    if length != "":
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ranged(body: bytes, etag: str = '"one"', stop: int | None = None) -> Answer:
    """Answer as a good server does, ranges included; break off after `stop` bytes of the body."""

    def answer(request: Request) -> bytes:
        start = request.start if request.headers.get("if-range") == etag else 0
        if start >= len(body):
            return reply(status="416 Range Not Satisfiable", Content_Range=f"bytes */{len(body)}")
        told = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        part = body[start:]
        status = "206 Partial Content" if start else "200 OK"
        return reply(part[: None if stop is None else stop], status, len(part), ETag=etag, **told)

    return answer


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split()[1].decode()
            headers = {}
            while line := self.rfile.readline().strip():
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            request = Request(path, headers)
            server.requests.append(request)
            said = server.answer(request)
            try:
                for piece in [said] if isinstance(said, bytes) else said:
                    self.wfile.write(piece)
                    self.wfile.flush()
            except OSError:
                pass  # the other side has heard enough

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Listener(("127.0.0.1", 0), Handler) as listener:
        server = Server(f"http://127.0.0.1:{listener.server_address[1]}", answer)
        threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            listener.shutdown()
