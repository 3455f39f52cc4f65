"""Cut out, resize and pack datasets for training code and vendor tools."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class of the verb."""
    return {"prepare": "faceport_prepare.verb:Prepare"}
