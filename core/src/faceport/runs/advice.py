"""What to type where something is missing."""

from __future__ import annotations

from faceport.plugins.index import installed


def detector_advice() -> str:
    """Say which detectors could be put in front."""
    names = sorted(installed().detectors())
    return (
        f"Put a detector in front: detector={' or detector='.join(names)}"
        if names
        else ("No detector is installed: pip install one, e.g. faceport-retinaface")
    )
