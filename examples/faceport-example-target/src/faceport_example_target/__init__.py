"""A target for faceport to copy."""

from collections.abc import Mapping

from faceport.api import Target
from faceport.hooks import hookimpl


@hookimpl
def targets() -> Mapping[str, type[Target]]:
    """Answer with the class behind each YAML of conf/target."""
    from faceport_example_target.target import ExampleNumpy

    return {"example_numpy": ExampleNumpy}
