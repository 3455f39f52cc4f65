"""DeepPose as a faceport model."""

from collections.abc import Mapping

from faceport.api import Model
from faceport.hooks import hookimpl


@hookimpl
def models() -> Mapping[str, type[Model]]:
    """Answer with the model class."""
    from faceport_deeppose.model import DeepPose

    return {"deeppose_resnet50": DeepPose}
