"""Latency of a run as a faceport metric."""

from collections.abc import Mapping

from faceport.api import Metric
from faceport.hooks import hookimpl


@hookimpl
def metrics() -> Mapping[str, type[Metric]]:
    """Answer with the metric class."""
    from faceport_latency.metric import Latency

    return {"latency": Latency}
