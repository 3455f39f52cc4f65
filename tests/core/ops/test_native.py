"""What is compiled gives the bits of its NumPy twin, whatever it is given."""

import numpy as np
import pytest

from faceport.ops import native
from faceport.ops.boxes import nms
from faceport_facenet.area import AreaTable

kernels = pytest.importorskip("faceport_kernels", reason="faceport-kernels is not installed, or not compiled")


@pytest.fixture
def twins(monkeypatch):
    """Run something compiled, and as NumPy does it."""

    def both(work):
        found = []
        for kind in (kernels, None):
            monkeypatch.setattr(native, "kernels", kind)
            found.append(work())
        return found

    return both


def same_bits(one, other):
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


SPECIAL = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e38, -1e38, 7.0], np.float32)


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("over", ["union", "smaller"])
@pytest.mark.parametrize("kind", ["crowd", "grid", "reversed", "special"])
@pytest.mark.parametrize("count", [0, 1, 5, 96, 97, 800])
def test_suppression(twins, count, kind, over, inclusive):
    rng = np.random.default_rng(count)
    corners = rng.uniform(-20, 200, (count, 2)).astype(np.float32)
    boxes = np.concatenate((corners, corners + rng.uniform(0, 60, (count, 2)).astype(np.float32)), axis=1)
    if kind == "grid":  # equal boxes, boxes without area, overlaps of exactly the threshold
        boxes = np.round(boxes / 16) * 16
    if kind == "reversed":
        boxes = boxes[:, ::-1]
    if kind == "special":
        boxes = rng.choice(SPECIAL, boxes.shape)
    scores = np.round(rng.random(count), 1).astype(np.float32)
    with np.errstate(all="ignore"):
        for threshold in (0.0, 0.3, 0.5, 0.7, 1.0):
            one, other = twins(lambda t=threshold: nms(boxes, scores, t, inclusive=inclusive, over=over))
            assert same_bits(one, other)


@pytest.mark.parametrize("seed", range(12))
def test_means(twins, seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 400, 2).tolist()
    table = AreaTable(rng.integers(0, 256, (height, width, 3), np.uint8))
    for size in (
        (1, 1),
        (12, 17),
        (height, width),
        (height + 3, 2 * width),
        (height // 3 + 1, width // 2 + 1),
    ):
        assert same_bits(*twins(lambda size=size: table.resize(*size)))
    low = rng.integers(0, (width, height), (200, 2))
    high = rng.integers(low + 1, (width + 1, height + 1))
    for regions in (np.concatenate((low, high), axis=1), np.empty((0, 4), np.int64)):
        for size in (1, 24, 48):
            assert same_bits(*twins(lambda regions=regions, size=size: table.crops(regions, size)))


def test_a_picture_too_large_for_32_bits_is_left_to_numpy(twins):
    table = AreaTable(np.zeros((8, 8, 3), np.uint8))
    table.sums = table.sums.astype(np.float64)
    assert same_bits(*twins(lambda: table.resize(3, 3)))


@pytest.mark.parametrize(
    ("region", "sentence"),
    [
        ([0, 0, 9, 8], "lies beyond the picture"),
        ([-1, 0, 8, 8], "lies beyond the picture"),
        ([3, 0, 3, 8], "a region is empty"),
        ([0, 5, 8, 4], "a region is empty"),
    ],
)
def test_no_memory_beyond_the_picture_is_read(region, sentence):
    sums = np.zeros((3, 9, 9), np.int32)
    with pytest.raises(ValueError, match=sentence):
        kernels.means(sums, np.array([region]), 4, 4)


def test_arrays_that_do_not_fit_each_other_are_refused():
    raw = kernels.average, np.zeros((3, 9, 9), np.int32), np.array([[0, 0, 8, 8]])
    average, sums, regions = raw
    out = np.empty((1, 3, 4, 4), np.float32)
    for arguments in (
        (sums, 9, 8, regions, 4, 4, out),
        (sums, 10, 9, regions, 4, 4, out),
        (sums, 9, 9, regions[:, :3].copy(), 4, 4, out),
        (sums, 9, 9, regions, 4, 5, out),
        (sums, 9, 9, regions, 0, 4, out),
        (sums, 1 << 62, 9, regions, 4, 4, out),
        (sums, 9, 9, regions, 1 << 31, 1 << 31, out),
    ):
        with pytest.raises(ValueError, match="must"):
            average(*arguments)
    with pytest.raises(ValueError, match="five rows"):
        kernels.suppress(np.zeros((4, 3), np.float32), 0.5, False, False, np.empty(3, np.bool_))
