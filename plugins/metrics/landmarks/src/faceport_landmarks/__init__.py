"""Errors of facial landmarks as a faceport metric."""

from collections.abc import Mapping

from faceport.api import Metric
from faceport.hooks import hookimpl


@hookimpl
def metrics() -> Mapping[str, type[Metric]]:
    """Answer with the metric class."""
    from faceport_landmarks.metric import Landmarks

    return {"landmarks": Landmarks}
