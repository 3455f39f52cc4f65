"""Answer over HTTP, on this machine unless a token guards it, until somebody stops it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from faceport.api import Verb
from faceport.errors import ConfigError, FaceportError, MissingError
from faceport.runs.plan import make_plan, require_independent
from faceport_serve.options import TOKEN, ServeOptions, is_local


class Serve(Verb):
    """Answer over HTTP."""

    Options = ServeOptions
    options: ServeOptions

    def act(self, config: Mapping[str, Any]) -> None:
        """Answer until a signal; what was accepted is answered before the end."""
        options = self.options
        if not is_local(options.host) and not os.environ.get(TOKEN):
            raise ConfigError(
                f"host={options.host} lets other machines in: set the environment variable {TOKEN} to a "
                "secret that they must send, or leave host at 127.0.0.1"
            )
        require_independent(make_plan(config, options))  # what does not fit is said at once
        try:
            from faceport_serve.supervisor import Supervisor
            from faceport_serve.worker import serve
        except ModuleNotFoundError as error:
            raise MissingError(f"serve needs '{error.name}': pip install 'faceport-serve[http]'") from error
        listener, address = listen(options.host, options.port)
        if options.supervised and os.name == "posix":
            job = {"config": dict(config), "options": asdict(options)}
            Supervisor(job, listener, address).run()
        else:
            with listener:
                serve(config, options, listener, lambda: None)


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """Take an address, without answering there yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise FaceportError(
            f"cannot listen at {host}:{port}: {error.strerror}. Choose another with port= or host="
        ) from error
    port = listener.getsockname()[1]
    return listener, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
