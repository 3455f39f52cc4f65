"""300-W as a faceport dataset."""

from collections.abc import Mapping

from faceport.api import Dataset
from faceport.hooks import hookimpl


@hookimpl
def datasets() -> Mapping[str, type[Dataset]]:
    """Answer with the dataset class."""
    from faceport_w300.dataset import W300

    return {"w300": W300}
