"""The process that answers: models are opened and warmed up before it listens."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import FrameType
from typing import Any

import uvicorn

from faceport.errors import FaceportError
from faceport.files import expand
from faceport.plugins.options import checked
from faceport_serve.app import make_app
from faceport_serve.catalogue import Catalogue
from faceport_serve.gallery import Gallery
from faceport_serve.guard import LOG
from faceport_serve.numbers import Numbers
from faceport_serve.options import TOKEN, ServeOptions, is_local, offers_of
from faceport_serve.patience import HEAD_BYTES, patient
from faceport_serve.quiet import quiet_libraries
from faceport_serve.served import Offer, Served

KEEP_ALIVE = 15  # seconds that an idle connection is kept


class _Server(uvicorn.Server):
    """Say when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(
    config: Mapping[str, Any],
    options: ServeOptions,
    listener: socket.socket,
    ready: Callable[[], object],
    loaded: Sequence[str] = (),
    changed: Callable[[list[str]], object] = lambda names: None,
) -> None:
    """Open the models and answer until a signal; what was accepted is answered before the end."""
    numbers = Numbers()

    def build(offer: Offer) -> Served:
        return Served(offer, options, [numbers.watch(offer.name)])

    gallery = Gallery(expand(options.gallery) if options.gallery else None, options.gallery_size)
    catalogue = Catalogue(offers_of(config, options), build, options.loaded, changed)
    stack = ExitStack()
    try:
        catalogue.start(loaded)
        stack.enter_context(quiet_libraries())
        _log_to_stderr(options.log)
        app = make_app(
            catalogue,
            options.limits,
            gallery=gallery,
            same=options.same,
            token=os.environ.get(TOKEN) or None,
            local=is_local(options.host),
            numbers=numbers,
        )
        settings = uvicorn.Config(
            app,
            http=patient(options.seconds, options.limits.bytes),
            ws="websockets-sansio",
            ws_max_size=options.limits.bytes,
            h11_max_incomplete_event_size=HEAD_BYTES,
            limit_concurrency=options.connections,
            timeout_keep_alive=KEEP_ALIVE,
            access_log=False,
            log_level="error",  # what clients do wrong is in our own lines: nobody may fill a log with more
            server_header=False,
            proxy_headers=False,
        )
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn sends itself the signal again at its end
            signal.signal(number, _noted)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_mortal)
        gc.collect()
        gc.freeze()  # models and libraries stay: they are not looked through while pictures are
        _Server(settings, ready).run(sockets=[listener])
    finally:
        catalogue.close()
        gallery.close()
        stack.close()


def _noted(number: int, frame: FrameType | None) -> None:
    """Have dealt with a signal already."""


def _mortal() -> None:
    """Let what a library forks end by the signals that it sends: the handlers here are not for it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _log_to_stderr(how: str) -> None:
    """Write one line of JSON for each request, or none."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    LOG.handlers[:], LOG.propagate = [handler], False
    LOG.setLevel(logging.INFO if how == "json" else logging.WARNING)


class _Line(logging.Formatter):
    """Put the time before what is JSON already, and make JSON of what is not."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        when = self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z")
        message = record.getMessage()
        content = json.loads(message) if record.levelno == logging.INFO else {"error": message}
        return json.dumps({"time": when, **content})


def main() -> None:
    """Work for a supervisor: the socket is inherited, the rest comes on standard input, which stays open."""
    number, report = int(sys.argv[1]), os.fdopen(int(sys.argv[2]), "w", buffering=1)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_supervisor, daemon=True).start()

    def say(**what: Any) -> None:
        report.write(json.dumps(what) + "\n")

    try:
        serve(
            job["config"],
            checked(ServeOptions, job["options"]),
            socket.socket(fileno=number),
            lambda: say(ready=True),
            job["loaded"],
            lambda names: say(loaded=names),
        )
    except FaceportError as error:
        say(error=str(error))
        sys.exit(1)


def _end_with_supervisor() -> None:
    """Stop where the supervisor is gone: nobody else would."""
    while sys.stdin.buffer.read(1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
