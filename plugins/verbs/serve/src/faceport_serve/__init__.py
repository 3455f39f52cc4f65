"""Answer over HTTP with the faces of pictures."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class of the verb."""
    return {"serve": "faceport_serve.verb:Serve"}
