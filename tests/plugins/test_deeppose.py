import subprocess
import sys

import numpy as np
import pytest

from faceport.networks.modules import load_module
from faceport.ops.cutting import invert, transform
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.types import Faces, Sample
from faceport_deeppose.model import DeepPose, DeepPoseOptions, mirror
from tests.reference import load_network, run_onnxruntime, run_torch, save_weights

NAME = "deeppose_resnet50_98"


def model(weights: str = "random", **options) -> DeepPose:
    return create("model", "deeppose_resnet50", weights=weights, **options)


@pytest.fixture(scope="module")
def photo() -> Sample:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    boxes = np.array([[40, 30, 130, 150], [150, 60, 330, 230]], np.float32)
    return Sample("photo", np.kron(image, np.ones((10, 10, 1), np.uint8)), faces=Faces(boxes=boxes))


def test_network_gives_the_official_numbers(reference_dir):
    reference = load_network(reference_dir, NAME)
    assert reference.deviation(run_torch(model().network.build(), reference)) <= 1e-4


def test_card_has_the_numbers_of_the_reference(reference_dir):
    card, reference = installed().find("model", "deeppose_resnet50").card, load_network(reference_dir, NAME)
    assert (card["parameters"], card["macs"]) == (reference.params, reference.macs)


def test_export_gives_the_official_numbers(reference_dir, tmp_path):
    reference = load_network(reference_dir, NAME)
    network = model(save_weights(reference, tmp_path / "weights.safetensors")).network
    assert reference.deviation(run_onnxruntime(network, reference, tmp_path)) <= 1e-4


def test_torchscript_gives_the_official_numbers(reference_dir, tmp_path):
    import torch

    reference = load_network(reference_dir, NAME)
    weights = save_weights(reference, tmp_path / "weights.safetensors")
    image = torch.from_numpy(reference.input())
    with torch.inference_mode():
        traced = torch.jit.trace(load_module(model(weights).network), image)
        traced.save(tmp_path / "deeppose.pt")
        coords = torch.jit.load(tmp_path / "deeppose.pt")(image)
    assert reference.deviation({"coords": coords.numpy()}) <= 1e-4


def test_checkpoints_of_both_mmpose_generations_are_loaded(reference_dir, tmp_path):
    import torch

    reference = load_network(reference_dir, NAME)
    state = {key: torch.from_numpy(value) for key, value in reference.weights().items()}
    newer = {key.replace("keypoint_head.", "head."): value for key, value in state.items()}
    assert "head.fc.weight" in newer
    for name, content in (("0.pth", {"meta": {}, "state_dict": state}), ("1.pth", {"state_dict": newer})):
        torch.save(content, tmp_path / name)
        loaded = load_module(model(str(tmp_path / name)).network).state_dict()
        torch.testing.assert_close(loaded["keypoint_head.fc.weight"], state["keypoint_head.fc.weight"])


def test_crop_is_that_of_the_annotated_square(real_dir):
    # mmpose's own annotation: centre, and side in 200 pixels, of the crop before padding
    centre, side = (482.5, 164.5), 0.425 * 200
    box = np.array([[*np.subtract(centre, side / 2), *np.add(centre, side / 2)]], np.float32)
    image = np.zeros((661, 1024, 3), np.uint8)
    matrix = model().matrices(Sample("face", image, faces=Faces(boxes=box)))[0]
    corners = np.array([[0.0, 0.0], [256.0, 256.0]])
    expected = [np.subtract(centre, side * 1.25 / 2), np.add(centre, side * 1.25 / 2)]
    np.testing.assert_allclose(transform(corners[None], invert(matrix[None]))[0], expected, atol=1e-4)


def test_landmarks_come_back_to_the_picture(photo):
    deeppose = model(flip=False)
    inside = np.random.default_rng(1).uniform(0.2, 0.8, (2, 98, 2)).astype(np.float32)
    found = deeppose.postprocess(photo, {"landmarks": inside}).landmarks
    there = transform(found.astype(np.float64), deeppose.matrices(photo)) / 256
    np.testing.assert_allclose(there, inside, atol=1e-5)
    side = 180 * 1.25  # of the second face: 180 wide, 170 high
    np.testing.assert_allclose(found[1], (240, 145) + (inside[1] - 0.5) * side, atol=1e-3)


def test_flip_averages_with_the_mirrored_crop(photo):
    deeppose = model()
    call = next(deeppose.predict(photo))
    upright, mirrored = np.split(call.inputs["image"], 2)
    np.testing.assert_array_equal(mirrored, upright[..., ::-1])
    truth = np.random.default_rng(1).uniform(0.2, 0.8, (2, 98, 2)).astype(np.float32)
    seen = mirror(truth).astype(np.float32)  # what a perfect network says of the mirrored crops
    assert abs(float(seen[0, 0, 0]) - (1 - float(truth[0, 32, 0]))) < 1e-6  # ends of the jaw change places
    both = deeppose.postprocess(photo, {"landmarks": np.concatenate((truth, seen))}).landmarks
    alone = model(flip=False).postprocess(photo, {"landmarks": truth}).landmarks
    np.testing.assert_allclose(both, alone, atol=1e-3)


@pytest.mark.parametrize("box", [[-50, -50, 20, 20], [390, 290, 500, 500], [10, 10, 10, 10]])
def test_boxes_beyond_the_picture_and_empty_ones_are_survived(box, photo):
    sample = Sample("edge", photo.image, faces=Faces(boxes=np.array([box], np.float32)))
    deeppose = model()
    image = next(deeppose.predict(sample)).inputs["image"]
    assert image.shape == (2, 3, 256, 256) and np.isfinite(image).all()
    found = deeppose.postprocess(sample, {"landmarks": np.full((2, 98, 2), 0.5, np.float32)})
    assert np.isfinite(found.landmarks).all()


def test_picture_without_faces_needs_no_network():
    nobody = Sample(
        "nobody", np.zeros((50, 60, 3), np.uint8), faces=Faces(boxes=np.empty((0, 4), np.float32))
    )
    with pytest.raises(StopIteration) as stop:
        next(model().predict(nobody))
    assert stop.value.value.landmarks.shape == (0, 98, 2)


def test_options_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="'padding'"):
        DeepPoseOptions(padding=0)


def test_importing_the_model_imports_no_torch():
    code = "import sys, faceport_deeppose.model; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_whole_frame_is_squashed_where_no_box_is_asked_for(photo):
    chosen = model(flip=False, crop="frame")
    assert not chosen.needs and model().needs == {"boxes"}
    frame = Sample("frame", photo.image)
    inputs = chosen.preprocess(frame)
    assert inputs["image"].shape == (1, 3, 256, 256)
    middle = np.full((1, 98, 2), (0.5, 0.25), np.float32)
    found = chosen.postprocess(frame, {"landmarks": middle})
    np.testing.assert_allclose(found.landmarks, np.full((1, 98, 2), (200, 75)))
