"""RetinaFace without its network: options, anchors, the way to the canvas and back, decoding."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from faceport.errors import ConfigError
from faceport.ops.cutting import Placement
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.types import Call, Faces, Sample, Tensors
from faceport_retinaface.decode import count_priors, priors
from faceport_retinaface.model import DEFAULT_ANCHORS, RetinaFace, known_checkpoints

VARIANTS = ("retinaface_mobilenet", "retinaface_resnet50")
SMALL_ANCHORS = [[10, 20], [32, 64], [128, 256]]


def detector(**options: Any) -> RetinaFace:
    model: RetinaFace = create("model", "retinaface_mobilenet", **{"weights": "random"} | options)
    return model


def outputs_with(height: int, width: int, scores: dict[int, float]) -> Tensors:
    """Make outputs in which the named anchors are faces, exactly as large as the anchors."""
    count = count_priors(height, width, DEFAULT_ANCHORS)
    face = np.zeros(count, np.float32)
    face[list(scores)] = list(scores.values())
    loc, landms = np.zeros((1, count, 4), np.float32), np.zeros((1, count, 10), np.float32)
    return {"loc": loc, "conf": np.stack((1 - face, face), axis=-1)[None], "landms": landms}


def run(model: RetinaFace, image: np.ndarray[Any, Any], scores: dict[int, float]) -> tuple[Tensors, Faces]:
    """Drive the model by hand; return what it sent to the network and what it made of the answer."""
    steps = model.predict(Sample("picture", image))
    call = next(steps)
    assert isinstance(call, Call)
    assert call.network == "retinaface"
    height, width = call.inputs["image"].shape[2:]
    with pytest.raises(StopIteration) as stop:
        steps.send(outputs_with(height, width, scores))
    return call.inputs, stop.value.value


@pytest.mark.parametrize("size", ["640x640", "419x613"])
def test_priors_are_the_official_ones(reference_dir: Path, size: str) -> None:
    height, width = map(int, size.split("x"))
    with np.load(reference_dir / "algorithms" / f"retinaface_priors_{size}.npz") as expected:
        assert count_priors(height, width, DEFAULT_ANCHORS) == expected["count"]
        found = priors(height, width, DEFAULT_ANCHORS, expected["index"])
        np.testing.assert_array_equal(found, expected["priors"])


def test_anchor_decodes_to_its_place_in_the_picture() -> None:
    # 64 x 96: grids of 8 x 12, 4 x 6, 2 x 3 cells with two anchors each. Row 1, column 2 at stride 16 has its
    # centre at (40, 24); its first anchor is 64 wide.
    position = 2 * 8 * 12 + 2 * (1 * 6 + 2)
    _, faces = run(detector(), np.zeros((64, 96, 3), np.uint8), {position: 0.9})
    assert faces.boxes is not None and faces.points is not None
    np.testing.assert_allclose(faces.boxes, [[8, -8, 72, 56]], atol=1e-4)
    np.testing.assert_allclose(faces.points, np.broadcast_to([40, 24], (1, 5, 2)), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({}, (150, 200)),
        ({"pad": "stride"}, (160, 224)),
        ({"pad": "square"}, (200, 200)),
        ({"size": 320}, (320, 320)),
        ({"size": 320, "pad": "none"}, (240, 320)),
        ({"size": 104, "pad": "stride"}, (96, 128)),
        ({"size": 100, "pad": "none"}, (75, 100)),
        ({"size": 200}, (200, 200)),
    ],
)
def test_network_sees_the_size_that_was_asked_for(options: dict[str, Any], seen: tuple[int, int]) -> None:
    image = np.full((150, 200, 3), 255, np.uint8)
    scale = options.get("size", 200) / 200
    inputs, faces = run(detector(**options), image, {2: 0.9})
    tensor = inputs["image"]
    assert tensor.shape == (1, 3, *seen)
    inside = round(150 * scale), round(200 * scale)
    expected = np.array([255 - 104, 255 - 117, 255 - 123]).reshape(3, 1, 1)
    assert (tensor[0, :, : inside[0], : inside[1]] == expected).all()
    assert (tensor[0, :, inside[0] :] == 0).all()  # the border has the mean colour
    assert (tensor[0, :, :, inside[1] :] == 0).all()
    # Anchor 2 is the first of the second cell: centre (12, 4), 16 wide, in pixels of the canvas.
    assert faces.boxes is not None
    np.testing.assert_allclose(faces.boxes, np.array([[4, -4, 20, 12]]) / scale, atol=1e-3)


def test_network_is_told_blue_green_red() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0] = 200  # red
    inputs, _ = run(detector(), image, {})
    np.testing.assert_array_equal(inputs["image"][0, :, 0, 0], [-104, -117, 200 - 123])


def test_resizing_keeps_the_picture() -> None:
    image = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120))
    canvas, placement = detector(size=320).place(image)
    np.testing.assert_array_equal(canvas[:240], cv2.resize(image, (320, 240)))
    assert placement == Placement((2.0, 2.0))


def test_overlapping_faces_leave_the_best() -> None:
    # Anchors 0 and 1 share a cell (16 and 32 wide, overlap 0.25 and a little); 2 overlaps 0.
    image = np.zeros((64, 96, 3), np.uint8)
    _, faces = run(detector(nms=0.2), image, {0: 0.5, 1: 0.7, 2: 0.1, 190: 0.6})
    assert faces.scores is not None
    np.testing.assert_allclose(faces.scores, [0.7, 0.6], rtol=1e-6)


def test_limits_count_the_best_first() -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    scores = {0: 0.3, 8: 0.5, 16: 0.4, 120: 0.9, 150: 0.019}
    for options, expected in (
        ({}, [0.9, 0.5, 0.4, 0.3]),
        ({"top_k": 3}, [0.9, 0.5, 0.4]),
        ({"keep_top_k": 1}, [0.9]),
        ({"confidence": 0.45}, [0.9, 0.5]),
    ):
        _, faces = run(detector(**options), image, scores)
        np.testing.assert_allclose(np.asarray(faces.scores), expected, rtol=1e-6)


def test_boxes_are_cut_at_the_borders_only_when_asked() -> None:
    image = np.zeros((40, 50, 3), np.uint8)
    for clip, expected in ((False, [-12, -12, 20, 20]), (True, [0, 0, 20, 20])):
        _, faces = run(detector(clip=clip), image, {1: 0.9})
        np.testing.assert_allclose(np.asarray(faces.boxes), [expected], atol=1e-4)


def test_no_face_is_an_answer() -> None:
    _, faces = run(detector(), np.zeros((20, 20, 3), np.uint8), {})
    assert faces.boxes is not None and faces.scores is not None and faces.points is not None
    assert (faces.boxes.shape, faces.scores.shape, faces.points.shape) == ((0, 4), (0,), (0, 5, 2))


def test_infinite_boxes_are_no_faces() -> None:
    outputs = outputs_with(32, 32, {0: 0.9, 20: 0.8})
    outputs["loc"][0, 0, 2] = 1e4  # exp() of it is infinite, as an untrained network can have it
    faces = detector().decode(outputs, 32, 32, Placement())
    np.testing.assert_allclose(np.asarray(faces.scores), [0.8], rtol=1e-6)


def test_fixed_size_gives_the_network_a_fixed_shape() -> None:
    free, fixed = detector().network, detector(size=640).network
    assert free.inputs[0].shape == ("batch", 3, "height", "width")
    assert fixed.inputs[0].shape == ("batch", 3, 640, 640)
    assert [output.shape for output in fixed.outputs] == [("batch", 16800, n) for n in (4, 2, 10)]
    assert detector(size=640, pad="none").network.inputs[0].shape == ("batch", 3, "height", "width")


def test_published_checkpoints_bring_their_anchors(real_dir: Path) -> None:
    weights = real_dir / "weights" / "retinaface"
    official = detector(weights=str(weights / "RetinaFace_mobilenet025.pth"))
    other = detector(weights=str(weights / "other_anchors" / "mobilenet0.25_Final.pth"))
    assert official.settled() == {"anchors": [[16, 32], [64, 128], [256, 512]]}
    assert other.settled() == {"anchors": SMALL_ANCHORS}
    assert not official.notes and not other.notes


def test_unknown_checkpoint_takes_the_default_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"weights that nobody knows")
    model = detector(weights=str(path))
    assert model.settled() == {"anchors": [list(row) for row in DEFAULT_ANCHORS]}
    (note,) = model.notes
    assert str(path) in note and "model.anchors" in note
    told = detector(weights=str(path), anchors=SMALL_ANCHORS)
    assert told.settled() == {"anchors": SMALL_ANCHORS}
    assert not told.notes


def test_settled_anchors_need_no_weights() -> None:
    model = detector(weights="/not/on/this/machine.pth", **detector(anchors=SMALL_ANCHORS).settled())
    assert model.anchors == SMALL_ANCHORS
    assert not model.notes
    _, faces = run(model, np.zeros((32, 32, 3), np.uint8), {1: 0.9})
    np.testing.assert_allclose(np.asarray(faces.boxes), [[-6, -6, 14, 14]], atol=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": "large"}, "'size' is 'large', it must be 'original' or a number of pixels"),
        ({"size": 0}, "'size' is 0"),
        ({"anchors": [[16, 32], [64, 128]]}, "three pairs of sides"),
        ({"pad": "centre"}, "must be one of: auto, none, square, stride"),
        ({"backbone": "resnet18"}, "must be one of: mobilenet0.25, resnet50"),
        ({"confidance": 0.5}, "Did you mean confidence"),
    ],
)
def test_wrong_options_are_explained(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        detector(**options)
    assert sentence in str(error.value)
    assert "retinaface_mobilenet.yaml" in str(error.value)


@pytest.mark.parametrize("name", VARIANTS)
def test_yaml_and_table_tell_the_same(name: str) -> None:
    choice = installed().find("model", name)
    card = choice.card
    assert set(card["provides"]) == RetinaFace.provides
    table = {(known.url, known.sha256, json.dumps(known.anchors)) for known in known_checkpoints()}
    listed = [(item["url"], item["sha256"], json.dumps(item["anchors"])) for item in card["checkpoints"]]
    assert set(listed) <= table
    assert choice.options["weights"] == listed[0][0]
    network = create("model", name).networks["retinaface"]
    assert network.sha256 == listed[0][1]
    assert network.options == {"backbone": choice.options["backbone"]}
    assert list(choice.options) == [field.name for field in fields(RetinaFace.Options)]
