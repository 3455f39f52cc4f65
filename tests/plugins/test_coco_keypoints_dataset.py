"""COCO-style keypoints, on mmpose's samples and on made-up ones, whole and broken."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceport.data import pictures as media
from faceport.errors import FaceportError, MissingError
from faceport_coco_keypoints.dataset import CocoKeypoints, CocoKeypointsOptions
from faceport_coco_keypoints.dataset import parse as parse_coco


def coco(**changes) -> dict:
    keypoints = [1, 2, 2, 3, 4, 1, 9, 9, 0]
    face = {"id": 7, "image_id": 1, "keypoints": keypoints, "bbox": [1, 2, 3, 4], "iscrowd": 0}
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    return {"images": images, "annotations": [face | changes, face | {"id": 8, "iscrowd": 1}]}


def test_coco_keypoints(tmp_path):
    (tmp_path / "labels.json").write_text(json.dumps(coco(center=[5, 6], scale=0.5)))
    media.write_picture(tmp_path / "a.jpg", np.zeros((20, 30, 3), np.uint8))
    first, second = CocoKeypoints(CocoKeypointsOptions(path=str(tmp_path / "labels.json")))
    assert first.image.shape == (20, 30, 3)
    assert first.truth.boxes.tolist() == [[1, 2, 4, 6]]
    assert first.truth.landmarks[0, :2].tolist() == [[1, 2], [3, 4]]
    assert np.isnan(first.truth.landmarks[0, 2]).all()
    assert first.truth.attributes["scale"].tolist() == [0.5]
    assert (len(second.truth), second.truth.landmarks.shape) == (0, (0, 3, 2))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "labels.json:1: not JSON"),
        ("[]", "not a COCO annotation file"),
        (json.dumps({"images": []}), "not a COCO annotation file: KeyError 'annotations'"),
        (json.dumps(coco(keypoints=[1, 2])), "found 2 in annotation 7"),
        (json.dumps(coco(keypoints=["x"] * 9)), "annotation 7: keypoints: ValueError"),
        (json.dumps(coco(bbox=[1, 2, 3])), "annotation 7: bbox: ValueError"),
        (json.dumps(coco(bbox=[1, 2, -3, 4])), "annotation 7: .*no size"),
        (json.dumps(coco(image_id=9)), "annotation 7 is of image 9, not listed"),
    ],
)
def test_coco_keypoints_that_are_broken(content: str, reason: str):
    with pytest.raises(FaceportError, match=reason):
        parse_coco("labels.json", content.encode())


@pytest.mark.parametrize(
    ("folder", "points", "faces"),
    [("300w", 68, 2), ("300wlp", 68, 2), ("aflw", 19, 2), ("cofw", 29, 2), ("lapa", 106, 2), ("wflw", 98, 4)],
)
def test_real_mmpose_samples(real_dir, folder: str, points: int, faces: int):
    file = real_dir / "mmpose" / folder / f"test_{folder}.json"
    dataset = CocoKeypoints(CocoKeypointsOptions(path=str(file)))
    assert dataset.facts()["faces"] == faces
    for sample in dataset:
        height, width = sample.image.shape[:2]
        assert sample.truth.landmarks.shape[1:] == (points, 2)
        inside = (sample.truth.landmarks > -10) & (sample.truth.landmarks < (width + 10, height + 10))
        assert (inside | np.isnan(sample.truth.landmarks)).all()


@given(st.integers(0, len(json.dumps(coco())) - 1))
def test_truncated_files_are_refused(size: int):
    with pytest.raises(FaceportError, match=r"labels\.json"):
        parse_coco("labels.json", json.dumps(coco()).encode()[:size])


def test_missing_file_says_what_to_do():
    with pytest.raises(MissingError, match=r"/nowhere/labels\.json \(dataset\.path\)"):
        len(CocoKeypoints(CocoKeypointsOptions(path="/nowhere/labels.json")))
