"""The verb `prepare`: crops, labels, tensors and lists, whole whatever happens on the way."""

import json
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceport.data.pictures import decode
from faceport.ops.landmarks import neighbours
from faceport.plugins.loading import create
from tests.cli import faceport, start

DRAWN = ["dataset=synthetic", "dataset.size=[160,200]"]


def read_labels(path: Path) -> dict[str, np.ndarray]:
    rows = [line.split() for line in path.read_text().splitlines()]
    return {name: np.array(fields, float).reshape(-1, 2) for name, *fields in rows}


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file, paths in lists made relative."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes().replace(str(folder).encode(), b"") for name, path in sorted(found.items())
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepare")
    words = ["dataset.count=6", "files=[pictures,npz]", "size=64", "neighbours=5"]
    said = faceport("prepare", *DRAWN, *words, "out=drawn", folder=folder)
    assert "all.txt:" in said and "6 pictures: drawn" in said
    return folder / "drawn"


def test_crops_show_the_faces_that_labels_point_at(drawn):
    labels = read_labels(drawn / "all.txt")
    pictures = {path.name: path for path in (drawn / "images_all").iterdir()}
    assert list(labels) == sorted(pictures)
    assert all(decode(path).shape == (64, 64, 3) for path in pictures.values())
    assert all(points.shape == (98, 2) for points in labels.values())
    dataset = create("dataset", "synthetic", count=6, size=[160, 200])
    assert len(labels) == sum(len(sample.truth) for sample in dataset)
    journal = [json.loads(line) for line in (drawn / "prepared.jsonl").read_text().splitlines()]
    for sample, line in zip(dataset, journal, strict=True):
        for i, name in enumerate(line["identities"]):
            x1, y1, x2, y2 = line["boxes"][i]
            np.testing.assert_allclose(
                labels[name] * (x2 - x1, y2 - y1) + (x1, y1), sample.truth.landmarks[i], atol=1e-3
            )
            part = sample.image[int(y1) : int(y2), int(x1) : int(x2)]
            crop = cv2.resize(part, (64, 64))
            assert np.abs(decode(pictures[name]).astype(int) - crop).mean() < 4, "but for JPEG"
            with np.load(drawn / "npz_all" / f"{name[:-4]}.npz") as packed:
                assert packed.files == ["input_0"]
                np.testing.assert_array_equal(packed["input_0"], crop.transpose(2, 0, 1))


def test_lists_fit_the_labels(drawn):
    labels = read_labels(drawn / "all.txt")
    mean = np.array((drawn / "meanface.txt").read_text().split(), float).reshape(98, 2)
    np.testing.assert_allclose(mean, np.mean([*labels.values()], axis=0), atol=1e-7)
    nearest = np.loadtxt(drawn / "neighbours.txt", dtype=int)
    np.testing.assert_array_equal(nearest, neighbours(mean, 5))
    assert nearest.shape == (98, 5)
    paths = (drawn / "npz_all.txt").read_text().splitlines()
    assert paths == [str(drawn / "npz_all" / f"{name[:-4]}.npz") for name in labels]
    easy = read_labels(drawn / "all_easy.txt")
    assert easy and set(easy) <= set(labels)


def test_published_labels_of_wflw(real_dir, tmp_path):
    folder = real_dir / "wflw"
    words = [f"dataset.root={folder}", f"dataset.list={folder / 'list_98pt_rect_attr_subset.txt'}"]
    faceport("prepare", "dataset=wflw", *words, "out=wflw", folder=tmp_path)
    ours = [*read_labels(tmp_path / "wflw" / "test.txt").values()]
    published = [*read_labels(folder / "pipnet_test_subset.txt").values()]
    np.testing.assert_allclose(ours, published, atol=1e-6)
    assert len([*(tmp_path / "wflw" / "images_test").glob("wflw_test_*.jpg")]) == 41
    rows = [row.split("\t") for row in (folder / "subset_crops.tsv").read_text().splitlines()]
    for column, name in enumerate(rows[0][2:8], start=2):
        expected = sum(int(row[column]) for row in rows[1:])
        assert len(read_labels(tmp_path / "wflw" / f"test_{name.replace('_', '')}.txt")) == expected


def test_a_killed_one_goes_on_where_it_stopped(tmp_path):
    words = ["prepare", *DRAWN, "dataset.count=150", "files=[pictures,npz]", "size=96"]
    process = start(*words, "out=killed", folder=tmp_path)
    journal = tmp_path / "killed" / "prepared.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not journal.is_file() or journal.read_bytes().count(b"\n") < 10):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = journal.read_bytes()
    assert 10 <= before.count(b"\n") < 150
    assert not (tmp_path / "killed" / "all.txt").exists()
    (tmp_path / "killed" / "images_all" / ".faceport-0123456789ab.part.jpg").write_bytes(b"half")
    faceport(*words, "out=killed", folder=tmp_path)
    faceport(*words, "out=whole", folder=tmp_path)
    assert journal.read_bytes().startswith(before[: before.rindex(b"\n") + 1])
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_folder_holds_one_preparation(drawn):
    words = ["prepare", *DRAWN, "dataset.count=6", "files=[pictures,npz]", "neighbours=5", "out=drawn"]
    said = faceport(*words, "size=32", folder=drawn.parent, code=1)
    assert "drawn holds what was prepared from other data or options: choose another out=" in said
    before = contents(drawn)
    faceport(*words, "size=64", folder=drawn.parent)
    assert contents(drawn) == before


def test_raw_files_are_what_the_model_is_fed(tmp_path):
    model = ["model=pipnet_resnet18", "model.weights=random"]
    faceport("prepare", *DRAWN, *model, "dataset.count=3", "files=[bin]", "out=fed", folder=tmp_path)
    pipnet = create("model", "pipnet_resnet18", weights="random")
    about = json.loads((tmp_path / "fed" / "bin_all" / "inputs.json").read_text())["image"]
    assert (about["network"], about["dtype"], about["shape"]) == ("pipnet", "float32", [3, 256, 256])
    assert about["preprocessing"]["mean"] == [123.675, 116.28, 103.53]
    paths = [Path(line) for line in (tmp_path / "fed" / "bin_all_image.txt").read_text().splitlines()]
    found = [np.fromfile(path, np.float32).reshape(3, 256, 256) for path in paths]
    dataset = create("dataset", "synthetic", count=3, size=[160, 200])
    expected = [
        row
        for sample in dataset
        for row in pipnet.preprocess(
            type(sample)(sample.id, sample.image, faces=sample.truth.only({"boxes"}))
        )["image"]
    ]
    np.testing.assert_array_equal(found, expected)
    assert [path.stem for path in paths] == [name[:-4] for name in read_labels(tmp_path / "fed" / "all.txt")]
    assert not (tmp_path / "fed" / "images_all").exists()


def test_whole_pictures_for_detectors(tmp_path):
    words = ["prepare", *DRAWN, "dataset.count=2", "crop=false", "name=val"]
    faceport(*words, "files=[npz]", "out=packed", folder=tmp_path)
    paths = (tmp_path / "packed" / "npz_val.txt").read_text().splitlines()
    shapes = {np.load(path)["input_0"].shape for path in paths}
    assert (len(paths), shapes) == (2, {(3, 160, 200)})
    model = ["model=retinaface_mobilenet", "model.weights=random", "model.size=128", "model.pad=square"]
    faceport(*words, *model, "files=[bin]", "out=raw", folder=tmp_path)
    sizes = [path.stat().st_size for path in (tmp_path / "raw" / "bin_val" / "image").iterdir()]
    assert sizes == [4 * 3 * 128 * 128] * 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["files=[npy]"], "files=npy cannot be written. Did you mean npz?"),
        (["files=[bin]"], "both belong together: files=bin model=NAME"),
        (["model=pipnet_resnet18", "model.weights=random"], "both belong together"),
        (["size=0"], "size is 0, it must be at least 1"),
    ],
)
def test_mistakes(tmp_path, words, reason: str):
    assert reason in faceport("prepare", *DRAWN, "dataset.count=1", *words, folder=tmp_path, code=1)


@pytest.fixture
def photos(tmp_path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def test_raw_files_of_two_shapes_are_refused(tmp_path, photos):
    for name, size in (("a", (40, 60)), ("b", (60, 40))):
        cv2.imwrite(str(photos / f"{name}.png"), np.zeros((*size, 3), np.uint8))
    words = ["dataset=folder", "dataset.path=photos", "model=retinaface_mobilenet", "model.weights=random"]
    said = faceport("prepare", *words, "files=[bin]", folder=tmp_path, code=1)
    assert "must be alike" in said and "model.size=640 model.pad=square" in said


def test_two_pictures_of_one_name_are_refused(tmp_path, photos):
    for name in ("a.png", "a.bmp"):
        cv2.imwrite(str(photos / name), np.zeros((8, 8, 3), np.uint8))
    said = faceport("prepare", "dataset=folder", "dataset.path=photos", folder=tmp_path, code=1)
    assert "would both be written as a.jpg" in said


def test_unreadable_pictures_are_named(tmp_path, photos):
    cv2.imwrite(str(photos / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (photos / "b.png").write_bytes(b"")
    said = faceport("prepare", "dataset=folder", "dataset.path=photos", folder=tmp_path)
    assert "b.png: the file is empty" in said and "1 pictures: prepared" in said
