"""PFLD as a faceport model."""

from collections.abc import Mapping

from faceport.api import Model
from faceport.hooks import hookimpl


@hookimpl
def models() -> Mapping[str, type[Model]]:
    """Answer with the class behind each YAML of conf/model."""
    from faceport_example_pfld.model import Pfld

    return {"example_pfld": Pfld}
