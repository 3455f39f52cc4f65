"""The landmarks and the recogniser of face-api.js: like the original, and on a real photo."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceport.engine.cascade import Cascade
from faceport.engine.engine import Engine
from faceport.networks.modules import load_module
from faceport.networks.reference import reference_session
from faceport.ops.cutting import transform
from faceport.ops.landmarks import FLIPS
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.types import Faces, Sample
from faceport_faceapi.chips import FIVE, MEAN_FACE, NUMBERS, PLACES, chip_by_landmarks, chip_by_points
from faceport_faceapi.landmarks import crop, places
from faceport_faceapi.source import MEAN, PACKAGE, SHA256
from tests.real_weights import fetched

# What face-api.js itself (npm @vladmandic/face-api 1.7.15 on the CPU backend of tfjs) says of drawn pictures.
# It divides by 255 where dlib, and we, divide by 256 before recognising: the tensors here are its own.
LANDMARKS = [0.41871, 0.43974, 0.52688, 0.49257, 0.57082, 0.53574, 0.60808, 0.61173]
EMBEDDING = [-0.09966, 0.11467, 0.01566, -0.01156, -0.1742, -0.07016, -0.02964, -0.10811]


def pattern(side: int, seed: int) -> np.ndarray:
    i = np.arange(side * side * 3, dtype=np.int64)
    values = (i * i * seed + i * 7 + (i >> 5) * 13) % 256
    image = values.reshape(side, side, 3).astype(np.float32)
    return ((image - np.array(MEAN, np.float32)) / 255).transpose(2, 0, 1)[None].copy()


@pytest.mark.parametrize(
    ("name", "side", "seed", "expected"),
    [("faceapi_landmarks", 112, 3, LANDMARKS), ("faceapi_recognition", 150, 5, EMBEDDING)],
)
def test_networks_give_the_numbers_of_the_original(name, side, seed, expected):
    import torch

    network = fetched("faceapi_recognition", weights=PACKAGE).networks[name]
    with torch.inference_mode():
        found = load_module(network)(torch.from_numpy(pattern(side, seed))).numpy()[0]
    np.testing.assert_allclose(found[:8], expected, atol=2e-5)


def read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def chain():
    """Detect, place landmarks, recognise: all with real weights out of package registries."""
    detector = fetched("retinaface_mobilenet", weights="tiny", confidence=0.5)
    cascade = Cascade(detector, fetched("faceapi_recognition", weights=PACKAGE))
    return Engine(cascade, {name: reference_session(one) for name, one in cascade.networks.items()})


@pytest.mark.slow
def test_the_chain_finds_aligns_and_tells_apart(chain, real_dir):
    faces = chain.one(Sample("photo", read(real_dir / "photos" / "multiface.jpg")))
    assert len(faces) == 6
    eyes = np.stack([faces.landmarks[:, 36:42].mean(1), faces.landmarks[:, 42:48].mean(1)], 1)
    distance = np.linalg.norm(faces.points[:, 0] - faces.points[:, 1], axis=1)
    assert (np.linalg.norm(eyes - faces.points[:, :2], axis=-1) < 0.15 * distance[:, None]).all()
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(faces.embeddings, 2)]
    assert min(apart) > 0.6, "dlib's threshold: six people"


@pytest.mark.slow
def test_the_chain_knows_a_person_again(chain, real_dir):
    folder = real_dir / "lfw" / "raw250" / "Anthony_Hopkins"
    pair = [
        chain.one(Sample(name, read(folder / f"Anthony_Hopkins_{name}.jpg"))) for name in ("0001", "0002")
    ]
    one, other = (faces.embeddings[np.argmax(faces.scores)] for faces in pair)
    assert np.linalg.norm(one - other) < 0.6


@pytest.mark.parametrize(
    "box", [(10, 20, 60, 120), (10, 20, 110, 60), (-30, -20, 400, 260), (50, 50, 50, 50)]
)
def test_landmarks_come_back_to_where_they_were_seen(box):
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    fitted, placement = crop(image, np.array(box, np.float32))
    assert fitted.shape == (112, 112, 3)
    x1, y1, x2, y2 = np.clip(box, 0, (299, 199, 300, 200))
    corners = np.array([[x1, y1], [max(x2, x1 + 1), max(y2, y1 + 1)]], np.float32)
    seen = corners * placement.scale + placement.offset
    assert seen.min() >= -1e-4 and seen.max() <= 112 + 1e-4
    assert np.ptp(seen, axis=0).max() == pytest.approx(112, abs=1e-3)
    shares = np.resize(seen / 112, (1, 136)).astype(np.float32)
    np.testing.assert_allclose(places(shares, [placement])[0, :2], corners, atol=1e-3)


def test_a_narrow_box_is_black_on_both_sides():
    fitted, _ = crop(np.full((100, 100, 3), 255, np.uint8), np.array([40, 0, 60, 100], np.float32))
    assert (fitted[:, :44] == 0).all() and (fitted[:, 68:] == 0).all() and (fitted[:, 50:60] == 255).all()


def test_the_mean_face_is_one():
    mirrored = MEAN_FACE * (-1, 1) + (2 * 0.490127, 0)
    position = {number: index for index, number in enumerate(NUMBERS)}
    kept = [position[number] for number in FLIPS[68][NUMBERS]]
    np.testing.assert_allclose(mirrored, MEAN_FACE[kept], atol=2e-2)
    assert PLACES.min() > 0 and PLACES.max() < 150
    assert FIVE[0, 0] < FIVE[2, 0] < FIVE[1, 0] and FIVE[0, 1] < FIVE[2, 1] < FIVE[3, 1]


def test_chips_turn_a_face_upright():
    turn = np.array([[0.6, -0.8, 150.0], [0.8, 0.6, 10.0]])  # a rotation, and a shift
    image = np.zeros((400, 400, 3), np.uint8)
    landmarks = np.zeros((68, 2))
    landmarks[NUMBERS] = transform(PLACES, turn)
    for x, y in np.rint(landmarks[NUMBERS]).astype(int):
        cv2.circle(image, (x, y), 2, (255, 255, 255), -1)
    for chip in (chip_by_landmarks(image, landmarks), chip_by_points(image, transform(FIVE, turn))):
        for x, y in np.rint(PLACES).astype(int):
            assert chip[y, x].min() > 100


def test_five_points_need_no_landmarks():
    model = create("model", "faceapi_recognition", weights="random", align="points")
    assert (model.needs, model.provides) == ({"points"}, {"embeddings"})
    assert list(model.networks) == ["faceapi_recognition"]


def test_a_picture_without_faces_has_no_embeddings():
    model = create("model", "faceapi_recognition", weights="random")
    none = Faces(boxes=np.empty((0, 4), np.float32))
    with pytest.raises(StopIteration) as stop:
        next(model.predict(Sample("x", np.zeros((50, 50, 3), np.uint8), faces=none)))
    faces = stop.value.value
    assert (faces.embeddings.shape, faces.landmarks.shape) == ((0, 128), (0, 68, 2))


@pytest.mark.parametrize("name", ["faceapi_landmarks", "faceapi_recognition"])
def test_cards_tell_what_the_networks_are(name):
    choice = installed().find("model", name)
    model = create("model", name, weights=choice.options["weights"])
    listed = {item["url"]: item["sha256"] for item in choice.card["checkpoints"]}
    assert listed == {one.weights: one.sha256 for one in model.networks.values()}
    assert set(listed.values()) <= set(SHA256.values())
    count = sum(sum(p.numel() for p in one.build().parameters()) for one in model.networks.values())
    assert choice.card["parameters"] == count
    assert "origin" in choice.card
