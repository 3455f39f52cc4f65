"""Hand records over to MLflow and TensorBoard."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def verbs() -> Mapping[str, str]:
    """Name the class of the verb."""
    return {"log": "faceport_log.verb:Log"}
