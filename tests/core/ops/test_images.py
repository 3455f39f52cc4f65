import numpy as np
import pytest

from faceport.ops import images

MEAN = (104.0, 117.5, 123.0)
STD = (58.0, 57.0, 0.5)


@pytest.mark.parametrize("bgr", [False, True])
@pytest.mark.parametrize("std", [None, STD])
def test_to_batch_equals_the_plain_formula(std: tuple[float, ...] | None, bgr: bool) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 17, 23, 3), dtype=np.uint8)
    channels = pictures[..., ::-1] if bgr else pictures
    mean, divisor = np.array(MEAN, np.float32), np.array(std or (1, 1, 1), np.float32)
    expected = (channels.astype(np.float32) - mean) / divisor
    batch = images.to_batch(list(pictures), MEAN, std, bgr)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, expected.transpose(0, 3, 1, 2))


def test_to_batch_takes_crops_that_are_views() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    batch = images.to_batch([picture[3:13, 5:25], picture[10:20, 0:20]], (0, 0, 0))
    np.testing.assert_array_equal(batch[0], picture[3:13, 5:25].transpose(2, 0, 1))


def test_write_planes_fills_a_part_of_a_larger_canvas() -> None:
    picture = np.full((2, 3, 3), 200, np.uint8)
    canvas = np.zeros((3, 4, 5), np.float32)
    images.write_planes(picture, canvas[:, :2, :3], (100, 100, 100))
    assert (canvas[:, :2, :3] == 100).all()
    assert canvas.sum() == 3 * 6 * 100
