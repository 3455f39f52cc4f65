"""Requests over HTTP that come to an end, and say in few words why when that is not the good one."""

from __future__ import annotations

import ipaddress
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from urllib3.exceptions import HTTPError, IncompleteRead, ReadTimeoutError

SILENCE = 30  # seconds without a byte until a server is given up
PATIENCE = 60  # seconds until it must have begun to answer
WINDOW = 60  # seconds over which the least rate is watched
LEAST = 1024  # bytes a second
CHUNK = 1 << 18
REDIRECTS = 5
ALLOW_HTTP = "FACEPORT_ALLOW_HTTP"


class TransferError(Exception):
    """Say in a few words, without secrets, why a transfer failed; it may be tried again."""


class RefusedError(TransferError):
    """What came is not to be had: nothing of it is kept."""


def fetch_bytes(url: str, most: int, headers: Mapping[str, str]) -> bytes:
    """Download something small into memory."""
    with answer_to(url, headers) as answer:
        body = b"".join(chunks(answer, most))
        length = length_of(answer)
        if length is not None and len(body) != length:
            raise TransferError("the connection broke off")
        return body


@contextmanager
def answer_to(url: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
    """Ask for a file, packed in nothing, and give the answer before its body is read."""
    _check_scheme(url)
    with _Session() as session:
        try:
            session.max_redirects = REDIRECTS
            request_headers = {"Accept-Encoding": "identity", **headers}
            answer = _within(
                PATIENCE, lambda: session.get(url, headers=request_headers, stream=True, timeout=SILENCE)
            )
            with answer:
                if answer.status_code >= HTTPStatus.BAD_REQUEST and not (
                    "Range" in headers and answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                ):
                    raise TransferError(answered(answer.status_code))
                yield answer
        except (requests.RequestException, HTTPError) as error:
            raise TransferError(_reason(error)) from None  # its text spells out the whole address


class _Session(requests.Session):
    """Follow redirects only to where one may download from."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target:
            _check_scheme(target, resp.url)
        return target


def _check_scheme(url: str, before: str = "") -> None:
    """Refuse a wire that anybody may write to, unless within this machine or where it is allowed."""
    try:
        parts = urlsplit(urljoin(before, url))
        scheme, host = parts.scheme, parts.hostname or ""
    except ValueError:
        scheme, host = "", ""
    if scheme not in ("http", "https"):
        what = f"{_plain(scheme)}://, which is not followed" if scheme else "what is no web address"
        raise RefusedError(f"it leads on to {what}" if before else "it is no web address")
    if scheme == "https" or allows_http():
        return
    if _is_here(host) and (not before or _is_here(urlsplit(before).hostname or "")):
        return
    raise RefusedError(
        "over http:// anybody on the way can put another file in its place: use https://, or set "
        f"{ALLOW_HTTP}=1 if that is meant"
    )


def allows_http() -> bool:
    """Tell whether the user allows downloads that are not encrypted, from beyond this machine."""
    return os.environ.get(ALLOW_HTTP, "").lower() in ("1", "true", "yes", "on")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _within(seconds: float, ask: Callable[[], requests.Response]) -> requests.Response:
    """Wait so long for an answer: a server that drips its headers is within every other limit."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(ask())
        except BaseException as error:  # is raised again where somebody waits for it
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TransferError("the server did not answer in time")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    answer: requests.Response = outcome[0]
    return answer


def chunks(answer: requests.Response, most: int) -> Iterator[bytes]:
    """Yield the body as it comes; give up on a server that drips, and on a body without end."""
    raw: urllib3.HTTPResponse = answer.raw
    total = counted = 0
    since = time.monotonic()
    while chunk := raw.read1(CHUNK, decode_content=False):
        total += len(chunk)
        counted += len(chunk)
        if total > most:
            raise RefusedError(f"it is larger than the {most:,} bytes that are allowed")
        elapsed = time.monotonic() - since
        if elapsed > WINDOW:
            if counted < LEAST * elapsed:
                raise TransferError(f"the server sends less than {LEAST:,} bytes a second")
            since, counted = time.monotonic(), 0
        yield chunk


def length_of(answer: requests.Response) -> int | None:
    """Read how many bytes the body is said to have; None where only its end will tell."""
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise RefusedError(f"the server packs the file ({_plain(encoding)}) though it was asked not to")
    if is_chunked(answer):
        return None
    length = answer.headers.get("Content-Length")
    if length is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", length):
        raise RefusedError(f"the server says that the file has {_plain(length)!r} bytes")
    return int(length)


def is_chunked(answer: requests.Response) -> bool:
    """Tell whether the body comes in pieces of which the last says that it is."""
    return "chunked" in answer.headers.get("Transfer-Encoding", "").lower()


def answered(status: int) -> str:
    """Name a status by its number and our own words for it: a server may write what it likes."""
    phrases = {one.value: one.phrase for one in HTTPStatus}
    return f"the server answered {status} {phrases.get(status, '')}".rstrip()


def _plain(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()[:40]


def _reason(error: Exception) -> str:
    """Say what went wrong without the words of the library, in which the whole address stands."""
    text = str(error)
    if isinstance(error, requests.TooManyRedirects):
        return f"it leads on to other addresses more than {REDIRECTS} times"
    if isinstance(error, requests.exceptions.SSLError) or "CERTIFICATE_VERIFY" in text:
        return "the certificate of the server cannot be trusted (REQUESTS_CA_BUNDLE names a file of others)"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached, or refuses"
    if "NameResolution" in text or "Name or service" in text or "getaddrinfo" in text:
        return "the host name cannot be resolved: no network?"
    if isinstance(error, requests.Timeout | ReadTimeoutError) or "timed out" in text:
        return "the server did not answer in time"
    if "refused" in text:
        return "connection refused"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return "it leads on to what is no web address"
    if isinstance(error, IncompleteRead) or "IncompleteRead" in text or "reset" in text or "aborted" in text:
        return "the connection broke off"
    return f"the connection failed: {type(error).__name__}"
