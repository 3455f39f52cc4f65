"""PIPNet as faceport models."""

from collections.abc import Mapping

from faceport.api import Model
from faceport.hooks import hookimpl

BACKBONES = (
    *("resnet18", "resnet50", "resnet101", "mobilenet_v2", "mobilenet_v3", "slim"),
    *("ir18", "ir50", "ir100"),
)


@hookimpl
def models() -> Mapping[str, type[Model]]:
    """Answer with one class for all backbones."""
    from faceport_pipnet.model import Pipnet

    return {f"pipnet_{backbone}": Pipnet for backbone in BACKBONES}
