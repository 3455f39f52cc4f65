import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from faceport.study.perturb import ERROR, perturbable
from tests.core.graph.test_edits import prepared

X = np.random.default_rng(1).standard_normal((3, 2, 6, 8)).astype(np.float32)


def run(model: onnx.ModelProto, **errors: np.ndarray) -> np.ndarray:
    given = {"x": X, **{name + ERROR: error for name, error in errors.items()}}
    found: np.ndarray = ReferenceEvaluator(model).run(None, given)[0]
    return found


def test_without_errors_nothing_changes() -> None:
    np.testing.assert_array_equal(run(perturbable(prepared(), {"c", "p", "y"})), run(prepared()))


def test_an_error_is_added_where_it_belongs() -> None:
    model = perturbable(prepared(), {"c", "p", "k", "y"})
    sound = run(model)
    shift = np.random.default_rng(2).standard_normal(sound.shape).astype(np.float32)
    np.testing.assert_allclose(run(model, y=shift), sound + shift, rtol=1e-6)
    lifted = run(
        model, k=np.ones((3, 4, 4, 6), np.float32)
    )  # only scaled up and divided by a constant from here
    assert np.ptp(lifted - sound) == pytest.approx(0, abs=1e-6) and (lifted > sound).all()
    beyond = run(model, p=np.full((3, 4, 4, 6), 1e6, np.float32))
    assert beyond.max() == beyond.min()  # the clamp behind it swallows what it cannot hold


def test_the_network_itself_is_left_alone() -> None:
    model = prepared()
    before = model.SerializeToString()
    perturbable(model, {"c"})
    assert model.SerializeToString() == before
