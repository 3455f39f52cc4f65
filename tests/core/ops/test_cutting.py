import cv2
import numpy as np
import pytest

from faceport.ops import cutting


@pytest.fixture
def picture() -> cutting.Image:
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth: cutting.Image = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
    return smooth


def spot(height: int, width: int, x: int, y: int) -> cutting.Image:
    """Draw one soft white spot."""
    picture: cutting.Image = np.zeros((height, width, 3), np.uint8)
    cv2.circle(picture, (x, y), 6, (255, 255, 255), -1)
    blurred: cutting.Image = cv2.GaussianBlur(picture, (0, 0), 2)
    return blurred


def centre_of_light(picture: cutting.Image) -> cutting.Floats:
    light = picture[..., 0].astype(np.float64)
    y, x = np.indices(light.shape)
    return np.array([np.average(x, weights=light), np.average(y, weights=light)])


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (300, 200), (200, 300)])
def test_letterbox_leads_back_to_the_picture(height: int, width: int, centre: bool) -> None:
    canvas, placement = cutting.letterbox(spot(120, 160, 100, 40), height, width, centre=centre)
    assert canvas.shape == (height, width, 3)
    # Pixel centres, where light is measured, lie half a pixel inside the edges that a placement speaks of.
    found = placement.restore(centre_of_light(canvas) + 0.5) - 0.5
    np.testing.assert_allclose(found, [100, 40], atol=0.3)


def test_letterbox_fills_the_rest_with_a_colour(picture: cutting.Image) -> None:
    canvas, placement = cutting.letterbox(picture, 160, 160, value=(1, 2, 3))
    assert (canvas[120:] == (1, 2, 3)).all()
    np.testing.assert_array_equal(canvas[:120], picture)
    assert placement == cutting.Placement()


def test_placement_restores_boxes_as_it_restores_points() -> None:
    placement = cutting.Placement((2.0, 4.0), (10.0, 20.0))
    box = np.array([[30.0, 60.0, 50.0, 100.0]], np.float32)
    np.testing.assert_array_equal(placement.restore(box), [[10, 10, 20, 20]])
    np.testing.assert_array_equal(placement.restore(box.reshape(1, 2, 2)), [[[10, 10], [20, 20]]])


@pytest.mark.parametrize(
    ("shape", "expected"), [((100, 200), (50, 100)), ((1, 1000), (1, 100)), ((100, 100), (80, 80))]
)
def test_fit_keeps_the_aspect(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert cutting.fit(*shape, 80, 100) == expected


def test_pad_extends_right_and_below(picture: cutting.Image) -> None:
    padded = cutting.pad(picture, 128, 160, (9, 8, 7))
    assert padded.shape == (128, 160, 3)
    assert (padded[120:] == (9, 8, 7)).all()
    assert cutting.pad(picture, 120, 160) is picture


def test_cut_shows_the_part_inside_the_picture(picture: cutting.Image) -> None:
    crop, placement = cutting.cut(picture, np.array([-20.0, 100.7, 32.9, 900.0]), 40)
    expected = cv2.resize(picture[100:120, 0:32], (40, 40), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(crop, expected)
    corners = placement.restore(np.array([[0.0, 0.0], [40.0, 40.0]]))
    np.testing.assert_allclose(corners, [[0, 100], [32, 120]], atol=1e-9)


@pytest.mark.parametrize("box", [(-90, -90, -10, -10), (900, 900, 990, 990), (50, 50, 50, 50), (9, 9, 5, 5)])
def test_cut_of_nothing_is_one_pixel(picture: cutting.Image, box: tuple[int, ...]) -> None:
    crop, _ = cutting.cut(picture, np.array(box, np.float32), 8)
    assert crop.shape == (8, 8, 3)
    assert (crop == crop[0, 0]).all()


def test_similarity_finds_turn_scale_and_shift_of_many_faces() -> None:
    rng = np.random.default_rng(1)
    source = rng.standard_normal((7, 5, 2))
    angles, sizes, shifts = rng.uniform(-3, 3, 7), rng.uniform(0.5, 2, 7), rng.standard_normal((7, 2))
    turns = (
        np.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles]) * sizes[:, None, None]
    )
    expected = np.concatenate((turns, shifts[..., None]), axis=-1)
    found = cutting.similarity(source, cutting.transform(source, expected))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_similarity_is_the_least_squares_answer() -> None:
    rng = np.random.default_rng(2)
    source, target = rng.standard_normal((2, 5, 2))
    x, y, ones, zeros = source[:, 0], source[:, 1], np.ones(5), np.zeros(5)
    system = np.concatenate((np.stack((x, -y, ones, zeros), 1), np.stack((y, x, zeros, ones), 1)))
    a, b, dx, dy = np.linalg.lstsq(system, np.concatenate((target[:, 0], target[:, 1])), rcond=None)[0]
    np.testing.assert_allclose(cutting.similarity(source, target), [[a, -b, dx], [b, a, dy]], atol=1e-12)


def test_invert_undoes_transform() -> None:
    rng = np.random.default_rng(3)
    matrices, points = rng.standard_normal((4, 2, 3)), rng.standard_normal((4, 6, 2))
    back = cutting.transform(cutting.transform(points, matrices), cutting.invert(matrices))
    np.testing.assert_allclose(back, points, atol=1e-9)


def test_align_brings_the_points_to_their_places() -> None:
    turn = np.array([[0.6, -0.8, 120], [0.8, 0.6, 20]]) * [[1.5, 1.5, 1]]
    points = cutting.transform(cutting.ARCFACE_POINTS, turn)
    nose = points[2].round().astype(int)
    aligned = cutting.align(spot(400, 400, *nose.tolist()), points, size=224)
    np.testing.assert_allclose(centre_of_light(aligned), cutting.ARCFACE_POINTS[2] * 2, atol=1.0)


def test_centred_brings_a_square_to_the_crop() -> None:
    matrix = cutting.centred((50, 40), side=20, size=100)
    square = np.array([[40.0, 30.0], [60.0, 50.0], [50.0, 40.0]])
    np.testing.assert_allclose(cutting.transform(square, matrix), [[0, 0], [100, 100], [50, 50]], atol=1e-9)
    crop = cutting.warp(spot(120, 160, 53, 40), cutting.centred((50, 40), side=40, size=100), 100)
    np.testing.assert_allclose(centre_of_light(crop), [57.5, 50], atol=0.5)
