import numpy as np
import pytest

from faceport_synthetic.canvas import Canvas

SQUARE = np.array([[10.25, 8.0], [30.25, 8.0], [30.25, 20.0], [10.25, 20.0]])


def black(height: int = 40, width: int = 60) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def centre(image: np.ndarray) -> tuple[float, float]:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image[..., 0].astype(float)
    return float(np.average(x, weights=weight)), float(np.average(y, weights=weight))


@pytest.mark.parametrize("zoom", [1, 2, 5])
@pytest.mark.parametrize("soft", [0.0, 0.5, 3.0, 6.0])
def test_shapes_lie_where_they_are_said_to_whatever_the_zoom_and_softness(zoom: int, soft: float) -> None:
    image = black(80, 110)
    with Canvas(image).enlarged((0, 0, 110, 80), zoom) as canvas:
        canvas.fill(SQUARE + np.array([30, 20]), (200, 200, 200), soft=soft)
    x, y = centre(image)
    assert x == pytest.approx(50.25, abs=0.3)
    assert y == pytest.approx(34, abs=0.3)


def test_edges_are_anti_aliased() -> None:
    image = black()
    Canvas(image).fill(SQUARE, (200, 200, 200))
    assert image[14, 20, 0] == 200
    assert image[14, 5, 0] == 0
    assert 20 < image[14, 10, 0] < 200 or 20 < image[14, 31, 0] < 200


def test_transparency_mixes_colours() -> None:
    image = np.full((40, 60, 3), 100, np.uint8)
    Canvas(image).fill(SQUARE, (200, 100, 0), alpha=0.5)
    np.testing.assert_allclose(image[14, 20], (150, 100, 50), atol=1)
    np.testing.assert_array_equal(image[30, 50], (100, 100, 100))


def test_thin_lines_are_faint() -> None:
    brightest = []
    for width in (0.2, 0.5, 1.0, 3.0):
        image = black()
        Canvas(image).line(np.array([[5.0, 20.0], [55.0, 20.0]]), (200, 200, 200), width)
        brightest.append(int(image.max()))
    assert brightest == sorted(brightest)
    assert brightest[0] == pytest.approx(40, abs=5)
    assert brightest[-1] == 200


def test_inside_shows_only_inside() -> None:
    image = black()
    with Canvas(image).inside(SQUARE) as part:
        part.fill(np.array([[0.0, 0.0], [60.0, 0.0], [60.0, 40.0], [0.0, 40.0]]), (200, 200, 200))
    assert image[14, 20, 0] == 200
    assert image[14, 35].max() == image[3, 20].max() == 0


@pytest.mark.parametrize("zoom", [2, 3])
def test_enlarging_changes_nothing_that_is_not_painted(zoom: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    image = noise.copy()
    with Canvas(image).enlarged((-5, 7, 40, 70), zoom) as canvas:
        canvas.fill(SQUARE, (0, 0, 0))
    np.testing.assert_array_equal(image[:6], noise[:6])
    np.testing.assert_array_equal(image[:, 33:], noise[:, 33:])
    np.testing.assert_array_equal(image[23:], noise[23:])
    assert (image[10:19, 13:28] == 0).all()


def test_what_lies_outside_of_the_picture_is_left_out() -> None:
    image = black()
    away = SQUARE + 500
    canvas = Canvas(image)
    canvas.fill(away, (200, 200, 200), alpha=0.5)
    canvas.fill(away, (200, 200, 200), soft=3)
    canvas.line(away, (200, 200, 200), 0.5)
    with canvas.inside(away) as part:
        part.fill(away, (200, 200, 200))
    with canvas.enlarged((100, 100, 200, 200), 2) as part:
        part.fill(SQUARE, (200, 200, 200))
    assert image.max() == 0
