"""Run the command as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SMALL = ["model=retinaface_mobilenet", "model.weights=random", "model.size=160", "dataset=synthetic"]


def start(*words: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the command in a folder, with a store of its own below it."""
    return subprocess.Popen(
        [sys.executable, "-m", "faceport", *words],
        cwd=folder,
        env={**os.environ, "FACEPORT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kit(chosen: str, folder: Path, site: str) -> subprocess.CompletedProcess[str]:
    """Run the conformance kit in a folder on some of what is installed in another."""
    words = ["-k", chosen, "-p", "no:cacheprovider", "-rfEs", "--tb=short", "-q"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", "faceport.testing", *words],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": site,
            "FACEPORT_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def faceport(*words: str, folder: Path, code: int = 0, **environment: str) -> str:
    """Run the command to its end and give what it printed, both streams together."""
    process = start(*words, folder=folder, **environment)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, f"exit code {process.returncode}, expected {code}:\n{out}\n{err}"
    assert "Traceback" not in out + err, err
    return out + err
