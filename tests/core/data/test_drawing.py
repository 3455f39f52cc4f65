import numpy as np
import pytest

from faceport.data.drawing import LANDMARK, PALETTE, draw
from faceport.types import Faces


def plain(height: int = 240, width: int = 320, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before != after).any(axis=-1)


def boxes(*values: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 4)


def test_no_faces_no_ink_and_the_input_is_never_touched() -> None:
    image = plain()
    for faces in (Faces(), Faces(boxes=boxes(), scores=np.zeros(0, np.float32))):
        result = draw(image, faces)
        np.testing.assert_array_equal(result, image)
        assert result is not image
    draw(image, Faces(boxes=boxes((10, 10, 60, 80))))
    assert (image == 128).all()


def test_box_is_drawn_on_its_edges_and_nowhere_else() -> None:
    ink = changed(plain(), draw(plain(), Faces(boxes=boxes((50, 60, 150, 200)))))
    assert ink[60, 50:151].all()
    assert ink[200, 50:151].all()
    assert ink[60:201, 50].all()
    assert ink[60:201, 150].all()
    assert not ink[70:190, 60:140].any()
    assert not ink[:55].any()


@pytest.mark.parametrize("background", [*PALETTE, (0, 0, 0), (255, 255, 255), (128, 128, 128)])
@pytest.mark.parametrize("size", [(48, 64), (480, 640), (1080, 1920)])
def test_box_and_dots_stand_out_on_any_background(
    background: tuple[int, int, int], size: tuple[int, int]
) -> None:
    image = np.empty((*size, 3), np.uint8)
    image[:] = background
    height, width = size
    x1, y1, x2, y2 = 0.3 * width, 0.3 * height, 0.7 * width, 0.8 * height
    dots = np.array([[[x1, y1], [x2, y2]]], np.float32) * 0.5 + np.array([x2, y2]) * 0.25
    for faces in (Faces(boxes=boxes((x1, y1, x2, y2))), Faces(landmarks=dots), Faces(points=dots)):
        contrast = np.abs(draw(image, faces).astype(int) - image).max(axis=-1)
        assert (contrast > 80).sum() >= 4


def test_dots_are_centred_on_the_landmarks_to_a_fraction_of_a_pixel() -> None:
    landmarks = np.array([[[40.25, 50.5], [160.75, 180.0]]], np.float32)
    weight = draw(plain(value=0), Faces(landmarks=landmarks))[..., 0].astype(
        float
    )  # black rims vanish on black
    y, x = np.mgrid[:240, :320]
    for column, row in landmarks[0]:
        near = weight * (np.hypot(x - column, y - row) < 12)
        assert np.average(x, weights=near) == pytest.approx(column, abs=0.15)
        assert np.average(y, weights=near) == pytest.approx(row, abs=0.15)
    assert weight.max() == LANDMARK[0]


def test_dense_landmarks_on_a_small_face_stay_apart() -> None:
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = np.stack([100 + 20 * np.cos(angles), 100 + 20 * np.sin(angles)], axis=-1)[None].astype(np.float32)
    bright = (draw(plain(1000, 1000), Faces(landmarks=ring)) > 200).all(axis=-1)
    assert 20 <= bright.sum() < 20 * 16


def test_label_goes_above_the_box_and_inside_where_there_is_no_room() -> None:
    scores = np.array([0.87], np.float32)
    ink = changed(plain(), draw(plain(), Faces(boxes=boxes((100, 100, 200, 200)), scores=scores)))
    assert ink[88:98, 100:120].all()
    ink = changed(plain(), draw(plain(), Faces(boxes=boxes((100, 2, 200, 200)), scores=scores)))
    assert ink[4:12, 102:118].all()


def test_label_stays_within_the_picture_and_never_hides_tiny_faces() -> None:
    scores = np.array([0.87], np.float32)
    ink = changed(plain(), draw(plain(), Faces(boxes=boxes((300, 100, 340, 200)), scores=scores)))
    assert ink[90:98, 296:319].all()
    tiny = boxes((100, 100, 110, 112))
    np.testing.assert_array_equal(
        draw(plain(), Faces(boxes=tiny, scores=scores)), draw(plain(), Faces(boxes=tiny))
    )


def test_one_identity_one_colour() -> None:
    faces = Faces(
        boxes=boxes((20, 60, 80, 120), (100, 60, 160, 120), (200, 60, 260, 120)),
        identities=np.array(["ann", "bob", "ann"]),
    )
    result = draw(plain(), faces)
    ann, bob, again = (tuple(result[90, x].tolist()) for x in (20, 100, 200))
    assert ann == again == PALETTE[0]
    assert bob == PALETTE[1]


def test_nonsense_from_a_broken_network_is_left_out() -> None:
    nonsense = np.array([np.nan, np.inf, -np.inf, 1e12], np.float32)
    faces = Faces(
        boxes=np.stack([nonsense, np.full(4, 3e9, np.float32)]),
        scores=np.array([np.nan, 1.0], np.float32),
        points=np.resize(nonsense, (2, 5, 2)),
        landmarks=np.resize(nonsense[[0, 3]], (2, 98, 2)),
    )
    np.testing.assert_array_equal(draw(plain(), faces), plain())


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (16, 16), (3000, 20)])
def test_any_picture_size(size: tuple[int, int]) -> None:
    faces = Faces(
        boxes=boxes((-5, -5, 30, 30), (0, 0, 0, 0)),
        scores=np.array([0.5, 0.25], np.float32),
        points=np.zeros((2, 5, 2), np.float32),
        landmarks=np.full((2, 68, 2), 7, np.float32),
        identities=np.array([1, 2]),
    )
    assert draw(plain(*size), faces).shape == (*size, 3)


def test_a_track_has_its_colour_and_its_number_in_every_frame() -> None:
    def drawn(*tracks: int) -> np.ndarray:
        places = boxes(*((10 + 100 * at, 60, 90 + 100 * at, 200) for at in range(len(tracks))))
        return draw(plain(), Faces(places, attributes={"track": np.array(tracks)}))

    assert tuple(drawn(2)[200, 50]) == tuple(drawn(5, 2)[200, 150]) == PALETTE[2]
    assert changed(drawn(1, 2), drawn(1, 10))[40:60, 110:190].any(), "the number is written"
