"""What to type where something is missing."""

from __future__ import annotations

from collections.abc import Iterable

from faceport.errors import suggest
from faceport.plugins.index import installed
from faceport.plugins.kinds import kind_of


def detector_advice() -> str:
    """Say which detectors could be put in front."""
    names = sorted(installed().detectors())
    if not names:
        return "No detector is installed: pip install one, e.g. faceport-retinaface"
    return f"Put a detector in front: detector={' or detector='.join(names)}"


def choose_one(group: str) -> str:
    """Ask for a choice."""
    index = installed()
    names = index.detectors() if group == "detector" else index.choices(kind_of(group))
    return f"choose a {group}: {group}=NAME. {suggest('', names)}"


def listed(names: Iterable[str]) -> str:
    """Write names as a sentence has them."""
    return " and ".join(sorted(names)) or "nothing"
