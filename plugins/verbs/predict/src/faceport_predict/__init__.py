"""Look at pictures, folders, videos and cameras."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class of the verb."""
    return {"predict": "faceport_predict.verb:Predict"}
