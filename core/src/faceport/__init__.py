"""faceport takes face models to hardware and measures what it costs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceport.networks.modules import load_module as load_module
    from faceport.plugins.loading import create as create
    from faceport.shell.pipelines import Pipeline as Pipeline
    from faceport.shell.pipelines import pipeline as pipeline
    from faceport.shell.pipelines import run as run
    from faceport.types import Faces as Faces

__all__ = ["Faces", "Pipeline", "create", "load_module", "pipeline", "run"]

_HOMES = {
    "Faces": "types",
    "Pipeline": "shell.pipelines",
    "create": "plugins.loading",
    "load_module": "networks.modules",
    "pipeline": "shell.pipelines",
    "run": "shell.pipelines",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `faceport --help` must not wait for NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'faceport' has no attribute '{name}'")
    value = getattr(import_module(f"faceport.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
