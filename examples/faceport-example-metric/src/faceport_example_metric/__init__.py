"""A metric for faceport to copy."""

from collections.abc import Mapping

from faceport.api import Metric
from faceport.hooks import hookimpl


@hookimpl
def metrics() -> Mapping[str, type[Metric]]:
    """Answer with the class behind each YAML of conf/metric."""
    from faceport_example_metric.metric import FaceCount

    return {"example_count": FaceCount}
