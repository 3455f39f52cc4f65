"""A target for faceport to copy: a device that nobody can call, asked in files."""

from collections.abc import Mapping

from faceport.hooks import hookimpl


@hookimpl
def targets() -> Mapping[str, str]:
    """Name the class behind each YAML of conf/target."""
    return {"example_mailbox": "faceport_example_mailbox.target:ExampleMailbox"}
