"""FaceNet and MTCNN as faceport models."""

from collections.abc import Mapping

from faceport.api import Model
from faceport.hooks import hookimpl


@hookimpl
def models() -> Mapping[str, type[Model]]:
    """Answer with the recogniser and with the detector that it was trained behind."""
    from faceport_facenet.facenet import FaceNet
    from faceport_facenet.mtcnn import Mtcnn

    return {"facenet": FaceNet, "facenet_mtcnn": FaceNet, "mtcnn": Mtcnn}
