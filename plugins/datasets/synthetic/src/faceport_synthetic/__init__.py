"""Drawn faces with full truth as a faceport dataset."""

from collections.abc import Mapping

from faceport.api import Dataset
from faceport.hooks import hookimpl


@hookimpl
def datasets() -> Mapping[str, type[Dataset]]:
    """Answer with the dataset classes."""
    from faceport_synthetic.dataset import People, Synthetic

    return {"synthetic": Synthetic, "synthetic_people": People}
