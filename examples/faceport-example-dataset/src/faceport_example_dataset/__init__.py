"""A dataset for faceport to copy."""

from collections.abc import Mapping

from faceport.api import Dataset
from faceport.hooks import hookimpl


@hookimpl
def datasets() -> Mapping[str, type[Dataset]]:
    """Answer with the class behind each YAML of conf/dataset."""
    from faceport_example_dataset.dataset import Boxes

    return {"example_boxes": Boxes}
