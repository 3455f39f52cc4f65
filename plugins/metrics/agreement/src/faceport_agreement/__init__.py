"""Agreement with a reference run as a faceport metric."""

from collections.abc import Mapping

from faceport.api import Metric
from faceport.hooks import hookimpl


@hookimpl
def metrics() -> Mapping[str, type[Metric]]:
    """Answer with the metric class."""
    from faceport_agreement.metric import Agreement

    return {"agreement": Agreement}
