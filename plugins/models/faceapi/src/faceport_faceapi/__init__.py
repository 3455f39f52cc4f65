"""The landmarks and the recogniser of face-api.js as faceport models."""

from collections.abc import Mapping

from faceport.api import Model
from faceport.hooks import hookimpl


@hookimpl
def models() -> Mapping[str, type[Model]]:
    """Answer with the landmarks alone, and with the recogniser that they align faces for."""
    from faceport_faceapi.landmarks import FaceApiLandmarks
    from faceport_faceapi.recognition import FaceApiRecognition

    return {"faceapi_landmarks": FaceApiLandmarks, "faceapi_recognition": FaceApiRecognition}
