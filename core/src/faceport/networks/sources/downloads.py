"""Downloads over HTTP that end: whole, or with a sentence that says why not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import requests

from faceport.files import file_sha256
from faceport.networks.formats import HEAD, kind_of_head
from faceport.networks.sources.transport import (
    RefusedError,
    TransferError,
    answer_to,
    answered,
    chunks,
    is_chunked,
    length_of,
)
from faceport.progress import progress

MOST = 8 << 30  # bytes of a file


class _StaleError(Exception):
    """The beginning that we have does not belong to what the server has."""


@dataclass(frozen=True)
class _Begun:
    """The beginning of a file that an earlier attempt left."""

    have: int = 0  # bytes
    validator: str = ""  # what the server called the very bytes
    total: int = 0  # bytes that the whole is to have


def download(url: str, part: Path, sha256: str, label: str, headers: Mapping[str, str] | None = None) -> None:
    """Download into a file, going on where an earlier attempt stopped if that is sure to fit."""
    mark = Path(f"{part}.json")  # what the server said of the file, while it is not whole
    if sha256 and part.is_file() and file_sha256(part) == sha256:
        mark.unlink(missing_ok=True)
        return  # whole already: that attempt was killed before it could say so
    try:
        try:
            _transfer(url, part, mark, _read_mark(part, mark), sha256, label, headers or {})
        except _StaleError:
            _transfer(url, part, mark, _Begun(), sha256, label, headers or {})
    except (RefusedError, OSError):  # of the disk: those of the network were told apart
        part.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
        raise
    mark.unlink(missing_ok=True)


def _read_mark(part: Path, mark: Path) -> _Begun:
    """Read what is known of a file that was begun, if there is enough to go on."""
    try:
        known = json.loads(mark.read_text())
        begun = _Begun(part.stat().st_size, str(known["validator"]), int(known["total"]))
    except (OSError, ValueError, TypeError, KeyError):
        return _Begun()
    return begun if begun.have < begun.total else _Begun()


def _transfer(
    url: str,
    part: Path,
    mark: Path,
    begun: _Begun,
    sha256: str,
    label: str,
    headers: Mapping[str, str],
) -> None:
    have = begun.have
    range_headers = {"Range": f"bytes={have}-", "If-Range": begun.validator} if have else {}
    with answer_to(url, {**headers, **range_headers}) as answer:
        resumed = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        if have and answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _StaleError
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise TransferError(answered(answer.status_code))
        if resumed and not have:
            raise RefusedError("the server sent a part of a file that was asked for whole")
        if resumed and not _goes_on(answer, begun):
            raise _StaleError
        have = have if resumed else 0
        length = length_of(answer)
        total = None if length is None else have + length
        if total is None and not is_chunked(answer) and not sha256:
            raise RefusedError(
                "the server does not say how long the file is, so nobody could tell if the connection broke "
                "off: write #sha256=... behind the address"
            )
        _check_room(total or 0, have, part)
        validator = _validator(answer)
        mark.unlink(missing_ok=True)
        if validator and total:
            mark.write_text(json.dumps({"validator": validator, "total": total}))
        with part.open("ab" if resumed else "wb") as file, progress(label, total, "B") as shown:
            shown.advance(have)
            for chunk in chunks(answer, MOST - have):
                file.write(chunk)
                shown.advance(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        if total is not None and part.stat().st_size != total:
            raise TransferError("the connection broke off")
        _check_content(part, answer.headers.get("Content-Type", ""))


def _goes_on(answer: requests.Response, begun: _Begun) -> bool:
    """Tell whether a part that came is the rest of what we have."""
    wanted = f"bytes {begun.have}-{begun.total - 1}/{begun.total}"
    return (
        " ".join(answer.headers.get("Content-Range", "").split()) == wanted
        and length_of(answer) in (None, begun.total - begun.have)
        and _validator(answer) in ("", begun.validator)
    )


def _validator(answer: requests.Response) -> str:
    """Read what names the very bytes of the file: a strong ETag, or the time of its last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else "" if tag else answer.headers.get("Last-Modified", "")


def _check_content(part: Path, kind: str) -> None:
    """Refuse what servers send in place of a file."""
    with part.open("rb") as file:
        content = kind_of_head(file.read(HEAD))
    if content == "empty":
        raise RefusedError("the server sent an empty file")
    if content == "page" or kind.lower().startswith("text/html"):
        raise RefusedError("the server sent a web page instead of a file: does one have to log in there?")
    if content == "pointer":
        raise RefusedError("the server sent the Git LFS pointer of the file: take the address of its content")


def _check_room(total: int, have: int, part: Path) -> None:
    free = shutil.disk_usage(part.parent).free
    if total > MOST:
        raise RefusedError(f"it has {total:,} bytes, more than the {MOST:,} that are allowed")
    if total - have > free:
        raise RefusedError(f"it has {total:,} bytes, and {free:,} are free on the disk of {part.parent}")
