"""RetinaFace as faceport models."""

from collections.abc import Mapping

from faceport.api import Model
from faceport.hooks import hookimpl


@hookimpl
def models() -> Mapping[str, type[Model]]:
    """Answer with one class for both backbones."""
    from faceport_retinaface.model import RetinaFace

    return {"retinaface_mobilenet": RetinaFace, "retinaface_resnet50": RetinaFace}
