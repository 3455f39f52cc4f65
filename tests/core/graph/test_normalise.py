import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from faceport.errors import FaceportError
from faceport.graph.normalise import Normalisation, fold_normalisation, to_pixels
from tests.core.graph.test_prepare import uneven


@pytest.mark.parametrize("colour", ["RGB", "BGR"])
def test_pixels_and_floats_agree(colour: str) -> None:
    preprocessing = {"mean": [104, 117, 123], "std": [2.0, 3.0, 4.0], "colour": colour, "layout": "NCHW"}
    folded = uneven()
    fold_normalisation(folded, "x", Normalisation.of(preprocessing))
    onnx.checker.check_model(folded, full_check=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    planes = (pixels if colour == "RGB" else pixels[..., ::-1]).astype(np.float32).transpose(0, 3, 1, 2)
    mean, std = (np.float32(preprocessing[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    (right,) = ReferenceEvaluator(uneven()).run(None, {"x": (planes - mean) / std})
    (found,) = ReferenceEvaluator(folded).run(None, {"x": pixels})
    assert np.array_equal(found, right)


def test_who_says_nothing_takes_no_pixels() -> None:
    with pytest.raises(FaceportError, match="no mean, std and colour"):
        Normalisation.of({"colour": "RGB"})
    assert Normalisation.of({"mean": 0.5, "std": 2, "colour": "RGB"}).deviation == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, np.nan])
def test_what_no_bytes_give_is_refused(value: float) -> None:
    planes = np.full((1, 3, 2, 2), 7, np.float32)
    planes[0, 1, 0, 1] = value
    with pytest.raises(FaceportError, match="compile it for floats"):
        Normalisation((0.0,) * 3, (1.0,) * 3, "RGB").pixels(planes)
    with pytest.raises(FaceportError, match="the cure"):
        to_pixels(planes, (0.0,) * 3, (1.0,) * 3, "the cure")
