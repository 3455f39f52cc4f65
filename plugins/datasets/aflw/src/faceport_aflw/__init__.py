"""AFLW as a faceport dataset."""

from collections.abc import Mapping

from faceport.api import Dataset
from faceport.hooks import hookimpl


@hookimpl
def datasets() -> Mapping[str, type[Dataset]]:
    """Answer with the dataset class."""
    from faceport_aflw.dataset import Aflw

    return {"aflw": Aflw}
