"""Labeled Faces in the Wild as a faceport dataset."""

from collections.abc import Mapping

from faceport.api import Dataset
from faceport.hooks import hookimpl


@hookimpl
def datasets() -> Mapping[str, type[Dataset]]:
    """Answer with the dataset class."""
    from faceport_lfw.dataset import Lfw

    return {"lfw": Lfw}
