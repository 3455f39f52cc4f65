"""The Python that has rknn-toolkit2: which one, and what is in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from faceport.errors import FaceportError
from faceport.files import expand
from faceport.targets.apart import python_of
from faceport.targets.foreign import Foreign
from faceport_rknn.options import RknnOptions

NAME = "rknn-toolkit2"
SCRIPT = Path(__file__).with_name("toolkit.py")
CURE = "faceport doctor target=rknn install=true, or name a Python that has rknn-toolkit2 with target.python"

# What the toolkit runs with. It asks for torch up to 2.4 and for opencv-python, and was tried with these; it
# imports pkg_resources, of old setuptools, without asking for it.
INSTALLATIONS = (
    ("--no-deps", "rknn-toolkit2==2.5.0"),
    (
        "numpy==1.26.4",
        "onnx==1.18.0",
        "onnxruntime",
        "protobuf>=4.21.6,<=4.25.4",
        "opencv-python-headless<4.12",
        "fast-histogram",
        "psutil",
        "ruamel.yaml",
        "scipy",
        "tqdm",
    ),
    ("torch==2.13.0", "setuptools<81"),
)


def python(options: RknnOptions) -> Path:
    """Find the Python that is chosen, whether or not it is there."""
    return expand(options.python) if options.python else python_of("rknn", INSTALLATIONS)


def lacking(options: RknnOptions) -> str:
    """Say what is not there, and the cure; empty where all is."""
    found = python(options)
    if not found.is_file():
        said = (
            f"target.python={options.python} is not there" if options.python else f"{NAME} is not installed"
        )
        return f"{said}: {CURE}"
    try:
        return "" if installed(found) else f"{found} has no {NAME}: {CURE}"
    except FaceportError as error:
        return f"{error}: {CURE}"


@cache
def installed(found: Path) -> str:
    """Ask a Python for the version of the toolkit; empty where it has none."""
    worker = Foreign(found, SCRIPT, NAME, limit=60)
    try:
        return str(worker.call("version", {}, {})[0]["version"])
    finally:
        worker.close()


def toolkit_version(options: RknnOptions) -> str:
    """Read the version of the toolkit; empty where there is none."""
    return installed(python(options)) if not lacking(options) else ""


def start(options: RknnOptions) -> Foreign:
    """Start the toolkit."""
    return Foreign(python(options), SCRIPT, NAME, limit=options.limit)
