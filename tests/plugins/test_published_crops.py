"""What datasets cut out for each face, against the published preparation written out one number at a time."""

import numpy as np
import pytest

from faceport.data import pictures as media
from faceport.data.crops import crops_of, grown, inside, stem
from faceport.errors import FaceportError
from faceport.types import Crops, Faces, Sample
from faceport_aflw.dataset import Aflw, AflwOptions
from faceport_cofw.dataset import Cofw, CofwOptions
from faceport_w300.dataset import W300, W300Options, published_region
from faceport_wflw.dataset import Wflw, WflwOptions
from tests.plugins.test_landmark_datasets import jpeg, write, write_aflw, write_cofw


def by_hand_300w(points: list[list[float]], height: int, width: int) -> tuple[list[int], list[list[float]]]:
    """Prepare a face of 300-W in whole numbers; give x, y, width, height and the labels."""
    whole = [[int(x), int(y)] for x, y in points]
    x, y = (min(point[i] for point in whole) for i in (0, 1))
    w, h = max(point[0] for point in whole) - x, max(point[1] for point in whole) - y
    x, y = max(x - int((1.1 - 1) / 2 * w), 0), max(y - int((1.1 - 1) / 2 * h), 0)
    w, h = min(int(w * 1.1), width - x - 1), min(int(h * 1.1), height - y - 1)
    return [x, y, w, h], [[(px - x) / w, (py - y) / h] for px, py in whole]


@pytest.mark.parametrize("seed", range(20))
def test_300w(seed: int):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(150, 400, 2).tolist()
    points = rng.uniform(-5, 1, (68, 2)) + rng.uniform(0, (width, height), (68, 2))
    (x, y, w, h), labels = by_hand_300w(points.tolist(), height, width)
    region = published_region(np.trunc(points), height, width)
    assert region.tolist() == [x, y, x + w, y + h]
    relative = Crops(["a"], region[None], np.trunc(points)[None]).relative
    np.testing.assert_allclose(relative[0], labels, rtol=1e-12)


def test_300w_names_files_as_published(tmp_path):
    body = "".join(f"{i % 17 + 2.9} {i // 4 + 1.2}\n" for i in range(68))
    for name in ("helen/testset/1_1", "lfpw/testset/image_0001", "ibug/image_003_1"):
        write(tmp_path / f"{name}.pts", f"version: 1\nn_points:  68\n{{\n{body}}}\n")
        write(tmp_path / f"{name}.png", jpeg())
    dataset = W300(W300Options(root=str(tmp_path), split="challenge"))
    (sample,) = dataset
    assert dataset.split == "test"
    assert dataset.crops(sample).names == ["ibug_image_003_1.png"]
    assert dataset.crops(sample).landmarks[0, 0].tolist() == [2, 1]


def test_wflw_labels_are_the_published_ones(real_dir):
    folder = real_dir / "wflw"
    published = [line.split() for line in (folder / "pipnet_test_subset.txt").read_text().splitlines()]
    dataset = Wflw(WflwOptions(root=str(folder), list=str(folder / "list_98pt_rect_attr_subset.txt")))
    seen = 0
    for sample in dataset:
        crops = dataset.crops(sample)
        for name, labels in zip(crops.names, crops.relative, strict=True):
            _, *fields = published[int(name[len("wflw_test_") : -len(".jpg")]) - 1]
            np.testing.assert_allclose(labels.ravel(), np.array(fields, float), atol=1e-6)
            seen += 1
    assert seen == len(published) == 41


def test_cofw_leaves_its_boxes(tmp_path):
    write_cofw(tmp_path / "COFW_test_color.mat")
    dataset = Cofw(CofwOptions(root=str(tmp_path)))
    first, _ = dataset
    crops = dataset.crops(first)  # box 1, 2, 10 x 20 in a picture of 7 x 5: the last pixel is 10, 21
    assert crops.names == ["cofw_test_0001.jpg"]
    assert crops.regions.tolist() == [[1, 2, 6, 4]]
    np.testing.assert_allclose(crops.relative[0], (first.truth.landmarks[0] - (1, 2)) / (5, 2), rtol=1e-6)


def test_aflw_numbers_files_as_its_annotations(tmp_path):
    write_aflw(tmp_path)
    for name in ("00000", "00001"):
        write(tmp_path / "flickr" / "0" / f"image{name}.jpg", media.encode(np.zeros((40, 45, 3), np.uint8)))
    dataset = Aflw(AflwOptions(root=str(tmp_path)))
    first, second = dataset
    assert dataset.crops(first).names == ["aflw_test_00001.jpg", "aflw_test_00002.jpg"]
    crops = dataset.crops(second)
    assert crops.names == ["aflw_test_00003.jpg"]
    assert crops.regions.tolist() == [[10, 20, 44, 39]]  # the box ends at 50, 60, beyond the picture
    assert crops.landmarks[0, 3].tolist() == [3, 40]  # it is labelled at 3, 103


def test_boxes_grow_about_their_centres_within_the_picture():
    boxes = np.array([[10, 20, 20, 40], [-5, 0, 5, 500]], np.float32)
    assert grown(boxes, 1.2, 100, 90) == pytest.approx(np.array([[9, 18, 21, 42], [0, 0, 6, 99]]))
    with pytest.raises(
        FaceportError, match=r"\[95\.0, 0\.0, 99\.0, 9\.0\] shows nothing of a 90x100 picture"
    ):
        grown(np.array([[95, 0, 99, 9]]), 1.2, 100, 90)
    assert inside(np.array([[[-3.0, 101.0]]]), 100, 90).tolist() == [[[0, 100]]]


def test_what_landmarks_span_stands_in_for_a_box():
    landmarks = np.array([[[10, 10], [np.nan, np.nan], [20, 30]]], np.float32)
    sample = Sample("a/b.c.jpg", np.zeros((100, 100, 3), np.uint8), truth=Faces(landmarks=landmarks))
    crops = crops_of(sample, scale=1.0)
    assert crops.names == ["a/b.c_00.jpg"]
    assert crops.regions.tolist() == [[10, 10, 20, 30]]
    np.testing.assert_array_equal(crops.relative, [[[0, 0], [np.nan, np.nan], [1, 1]]])
    nobody = crops_of(Sample("a", sample.image, truth=Faces()))
    assert (nobody.names, nobody.regions.shape, nobody.relative) == ([], (0, 4), None)


@pytest.mark.parametrize(
    ("sample", "name"), [("a/b.jpg", "a/b"), ("A_Name_0001", "A_Name_0001"), ("v.mp4#000012", "v.mp4#000012")]
)
def test_stem(sample: str, name: str):
    assert stem(sample) == name
