"""Search options for what is accurate, quick and small at once."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class of the verb."""
    return {"search": "faceport_search.verb:Search"}
