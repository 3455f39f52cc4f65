"""Tell which node of a network a target gets wrong."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class of the verb."""
    return {"diagnose": "faceport_diagnose.verb:Diagnose"}
