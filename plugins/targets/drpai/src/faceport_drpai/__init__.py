"""Renesas DRP-AI as a faceport target."""

from collections.abc import Mapping

from faceport.api import Target
from faceport.hooks import hookimpl


@hookimpl
def targets() -> Mapping[str, type[Target]]:
    """Answer with the target class."""
    from faceport_drpai.target import Drpai

    return {"drpai": Drpai}
