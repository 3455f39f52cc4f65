"""Fixtures that find the official numbers and the real photos, which are never part of this repository."""

import os
import socket
from pathlib import Path

import pytest

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it, and tables and sentences would be as narrow

ROOT = Path(__file__).resolve().parents[1]


LOCAL = "127.0.0.1,localhost,::1"
NOWHERE = "http://127.0.0.1:9"  # the discard port: refuses at once


@pytest.fixture(scope="session", autouse=True)
def network_off():
    """Let no test reach beyond this machine, nor any command that it starts."""
    proxies = {f"{scheme}_proxy": NOWHERE for scheme in ("http", "https", "all")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**proxies, "no_proxy": LOCAL, "PIP_NO_INDEX": "1"}.items():
            patch.setenv(name, value)
            patch.setenv(name.upper(), value)
        connect = socket.socket.connect

        def guarded(self, address):
            if self.family != socket.AF_UNIX and str(address[0]) not in LOCAL.split(","):
                raise OSError(f"tests may not reach {address[0]}")
            return connect(self, address)

        patch.setattr(socket.socket, "connect", guarded)
        yield


def _shared(variable: str, default: Path, what: str) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"{what} not found at {folder}: set {variable} to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """Folder of numbers computed with the official implementations."""
    return _shared("FACEPORT_REFERENCE", ROOT.parent / "shared" / "reference", "reference numbers")


@pytest.fixture(scope="session")
def real_dir() -> Path:
    """Folder of real weights, labelled photos and predictions."""
    return _shared("FACEPORT_REAL", ROOT.parent / "shared" / "real", "real weights and photos")
