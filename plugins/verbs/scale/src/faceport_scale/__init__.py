"""Spread one run over workers."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class of the verb."""
    return {"spread": "faceport_scale.verb:Spread"}
