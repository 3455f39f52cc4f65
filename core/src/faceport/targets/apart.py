"""Pythons of their own in the cache, for toolchains that want other packages than faceport."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from faceport.files import begun, cache_dir, digest, disk_errors, rename
from faceport.targets.tool import Tool

Installations = Sequence[Sequence[str]]  # the words of each `pip install`, one after another
_INSIDE = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")


def python_of(name: str, installations: Installations) -> Path:
    """Say where the Python with these packages is, or will be."""
    return _folder(name, installations) / _INSIDE


def make_python(name: str, installations: Installations) -> Path:
    """Make a Python with these packages; it is there whole or not at all."""
    folder = _folder(name, installations)
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with begun(folder, folder=True) as aside:
            tool = Tool(f"the installation for {name}", cures={_NO_PACKAGE: r"pip finds no package for '\1'"})
            tool.run([sys.executable, "-m", "venv", aside])
            for words in installations:
                pip = [str(aside / _INSIDE), "-m", "pip", "install", "--disable-pip-version-check"]
                tool.run([*pip, *words])
            rename(aside, folder, durable=False)
    return folder / _INSIDE


_NO_PACKAGE = r"No matching distribution found for (\S+)"


def _folder(name: str, installations: Installations) -> Path:
    wanted = digest([sys.version_info[:2], [list(words) for words in installations]])[:12]
    return cache_dir() / "python" / f"{name}-{wanted}"
