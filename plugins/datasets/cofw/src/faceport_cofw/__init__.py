"""COFW as a faceport dataset."""

from collections.abc import Mapping

from faceport.api import Dataset
from faceport.hooks import hookimpl


@hookimpl
def datasets() -> Mapping[str, type[Dataset]]:
    """Answer with the dataset class."""
    from faceport_cofw.dataset import Cofw

    return {"cofw": Cofw}
