"""A bytes literal of a Python module, read without running the module."""

from __future__ import annotations

import ast
import re

from faceport.errors import MissingError

# One literal: only bytes, which are ASCII, so that nothing need be known of the module's encoding.
PIECE = rb"(?:[bB][rR]?|[rR][bB])(?:%s)" % b"|".join(
    (
        rb"'''(?:[^\\']|\\(?s:.)|'(?!''))*+'''",
        rb'"""(?:[^\\"]|\\(?s:.)|"(?!""))*+"""',
        rb"'[^'\\\n]*+(?:\\(?s:.)[^'\\\n]*+)*+'",
        rb'"[^"\\\n]*+(?:\\(?s:.)[^"\\\n]*+)*+"',
    )
)
BEGINS = rb"^%s[ \t]*(?::[ \t]*bytes[ \t]*)?=[ \t]*"
ENDS = rb"[ \t]*(?:;|\#|\r?$)"


def bytes_literal(source: bytes, name: str, where: str) -> bytes:
    """Give the value of `NAME = b"..."` at the left margin of a module; within () it may be in pieces."""
    begins = BEGINS % re.escape(name.encode())
    pieces = rb"(?:(%s)|\(((?:\s*+%s)++)\s*\))%s" % (PIECE, PIECE, ENDS)
    match = re.search(begins + pieces, source, re.MULTILINE)
    if not match:
        names = re.findall(BEGINS % rb"([A-Za-z_]\w*)" + rb"\(?\s*[bB]['\"]", source, re.MULTILINE)
        listed = ", ".join(sorted({one.decode() for one in names})[:8]) or "none"
        raise MissingError(f"{where} sets no {name} to a bytes literal. It sets to one: {listed}")
    try:
        value = ast.literal_eval(f"({(match[1] or match[2]).decode('ascii')})")
    except (SyntaxError, ValueError) as error:
        raise MissingError(f"{where} sets {name} to no bytes literal that can be read: {error}") from error
    assert isinstance(value, bytes)
    return value
