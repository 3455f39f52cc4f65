"""A stand-in for the Python that has rknn-toolkit2: it answers as version 2.5.0 was seen to do."""

import sys
from pathlib import Path

SITE = Path(__file__).with_name("site")


def python(folder: Path) -> Path:
    """Write a Python that has the simulated toolkit."""
    made = folder / "python"
    made.write_text(f'#!/bin/sh\nPYTHONPATH="{SITE}" exec "{sys.executable}" "$@"\n')
    made.chmod(0o755)
    return made
