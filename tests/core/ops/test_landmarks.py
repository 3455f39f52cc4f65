"""Sets of landmarks: mirror images and conversions, against published tables and labelled faces."""

import json

import numpy as np
import pytest

from faceport.errors import FaceportError
from faceport.ops.landmarks import CONVERSIONS, FLIPS, OUTER_CORNERS, PUPILS, convert, eye_distance, flip


@pytest.mark.parametrize("points", FLIPS)
def test_flips_swap(points: int):
    assert FLIPS[points][FLIPS[points]].tolist() == list(range(points))


@pytest.mark.parametrize("points", FLIPS)
@pytest.mark.parametrize("eyes", [OUTER_CORNERS, PUPILS])
def test_flips_swap_the_eyes(points: int, eyes):
    left, right = eyes[points]
    assert sorted(FLIPS[points][list(left)]) == sorted(right)


@pytest.mark.parametrize("pair", CONVERSIONS)
def test_conversions_agree_with_flips(pair: tuple[int, int]):
    large, small = pair
    mirrored_first = np.arange(large)[FLIPS[large]][CONVERSIONS[pair]]
    converted_first = CONVERSIONS[pair][FLIPS[small]]
    np.testing.assert_array_equal(mirrored_first, converted_first)


@pytest.mark.parametrize("pair", CONVERSIONS)
def test_conversions_agree_with_eyes(pair: tuple[int, int]):
    large, small = pair
    for eye_large, eye_small in zip(OUTER_CORNERS[large], OUTER_CORNERS[small], strict=True):
        assert CONVERSIONS[pair][list(eye_small)].tolist() == list(eye_large)


def test_published_flips(real_dir):
    published = json.loads((real_dir / "pipnet" / "flip_indices.json").read_text())
    tables = {name: table for name, table in published.items() if isinstance(table, list)}
    assert len(tables) == 5
    for name, table in tables.items():
        assert FLIPS[int(name.split("_")[0])].tolist() == table, name
    for name, pair in published["nme_norm_pairs_0based"].items():
        if isinstance(pair, list):
            left, right = OUTER_CORNERS[int(name.split("_")[0])]
            assert [*left, *right] == pair, name


@pytest.mark.parametrize(
    ("folder", "points"), [("data_300W", 68), ("AFLW", 19), ("COFW", 29), ("LaPa", 106), ("WFLW", 98)]
)
def test_mean_faces_are_symmetric(real_dir, folder: str, points: int):
    text = (real_dir / "pipnet" / "meanface" / folder / "meanface.txt").read_text()
    mean = np.array(text.split(), float).reshape(1, points, 2)
    np.testing.assert_allclose(flip(mean, 2 * mean[..., 0].mean() + 1), mean, atol=0.06)


def test_98_read_as_68_lies_where_68_lie(real_dir):
    folder = real_dir / "pipnet" / "meanface"
    mean98 = np.array((folder / "WFLW" / "meanface.txt").read_text().split(), float).reshape(1, 98, 2)
    mean68 = np.array((folder / "data_300W" / "meanface.txt").read_text().split(), float).reshape(68, 2)
    found = convert(mean98, 68)[0]
    design = np.column_stack([found, np.ones(68)])
    residual = design @ np.linalg.lstsq(design, mean68, rcond=None)[0] - mean68
    assert np.linalg.norm(residual, axis=1).max() < 0.05  # of the face's width, after an affine fit


def test_labelled_faces_read_as_68_look_like_68(real_dir):
    text = (real_dir / "pipnet" / "meanface" / "data_300W" / "meanface.txt").read_text()
    mean68 = np.array(text.split(), float).reshape(68, 2)

    def apart(face: np.ndarray, mean: np.ndarray) -> float:
        design = np.column_stack([face, np.ones(68)])
        return np.linalg.norm(design @ np.linalg.lstsq(design, mean, rcond=None)[0] - mean, axis=1).mean()

    def faces(folder: str, points: int) -> np.ndarray:
        table = json.loads((real_dir / "mmpose" / folder / f"test_{folder}.json").read_text())
        rows = [item["keypoints"] for item in table["annotations"]]
        return np.array(rows, float).reshape(-1, points, 3)[..., :2]

    own = max(apart(face, mean68) for face in faces("300w", 68))
    for face in convert(faces("wflw", 98), 68):
        assert apart(face, mean68) < 1.5 * own, "no farther from the mean face than faces of that set are"
        assert apart(face, np.roll(mean68, 1, axis=0)) > 2 * apart(face, mean68)


def test_what_is_not_known():
    with pytest.raises(FaceportError, match=r"5 landmarks cannot be read as 68; what can be: .*98 to 68"):
        convert(np.zeros((1, 5, 2)), 68)
    with pytest.raises(FaceportError, match="not for 7"):
        eye_distance(np.zeros((1, 7, 2)), PUPILS)
