"""Standard error without what libraries of C print on it, which clients could make them print without end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Give standard error to Python alone.

    Decoders print a line for each damaged picture: it would stand between ours, and where nobody reads what
    the service prints, the pipe fills up and the worker waits for ever.
    """
    if os.environ.get("FACEPORT_DEBUG"):
        yield
        return
    sys.stderr.flush()
    before, kept = sys.stderr, os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    # Left open: loggers may still hold it when it is over.
    sys.stderr = os.fdopen(kept, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        sys.stderr = before
