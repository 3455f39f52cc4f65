"""Fixtures that find the official numbers and the real photos, which are never part of this repository."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
