"""Readers of landmark datasets, on real samples and on made-up ones, whole and broken."""

import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from faceport.data import pictures as media
from faceport.data.labelled import LabelledPictures, by_picture, lines, numbers
from faceport.errors import FaceportError, ImageError, MissingError
from faceport.types import Faces
from faceport_aflw.dataset import Aflw, AflwOptions
from faceport_cofw.dataset import Cofw, CofwOptions
from faceport_lapa.dataset import Lapa, LapaOptions
from faceport_lapa.dataset import parse as parse_lapa
from faceport_w300.dataset import W300, W300Options
from faceport_w300.dataset import parse as parse_pts
from faceport_wflw.dataset import Wflw, WflwOptions
from faceport_wflw.dataset import parse as parse_wflw

JUNK = st.sampled_from(
    ["", "nan", "inf", "-1", "1e999", "x", "{", "}", "0 0", "1 2 3", "68", "106", "\udce9", "\x00"]
)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.fsencode(content) if isinstance(content, str) else content)
    return path


def jpeg(height: int = 20, width: int = 30) -> bytes:
    return media.encode(np.full((height, width, 3), 128, np.uint8), ".jpg")


def wflw_line(
    name: str = "a/b.jpg", box: str = "10 10 20 30", flags: str = "0 1 0 1 0 1", shift: float = 0
) -> str:
    points = " ".join(f"{i + shift:.6f} {i / 2:.6f}" for i in range(98))
    return f"{points} {box} {flags} {name}\n".replace("  ", " ")


# Shared parts


def test_lines_survive_foreign_ends_and_bytes():
    assert list(lines(b"one\r\n\n  two \xe9\n")) == [(1, "one"), (3, r"two \xe9")]


@pytest.mark.parametrize("field", ["nan", "inf", "1e999", "x", "1,5"])
def test_what_is_no_finite_number_is_named(field: str):
    with pytest.raises(FaceportError, match="list.txt:7"):
        numbers(["1", field], "list.txt:7")


def test_faces_are_gathered_by_picture():
    faces = Faces(
        boxes=np.arange(12, dtype=np.float32).reshape(3, 4), attributes={"blur": np.array([0, 1, 2])}
    )
    gathered = by_picture(["b", "a", "b"], faces)
    assert list(gathered) == ["b", "a"]
    assert gathered["b"].attributes["blur"].tolist() == [0, 2]


# WFLW


def test_wflw_with_boxes_and_attributes(tmp_path):
    content = wflw_line() + wflw_line("other.jpg", flags="1 0 0 0 0 0") + wflw_line(shift=5)
    write(tmp_path / "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_test.txt", content)
    write(tmp_path / "WFLW_images/a/b.jpg", jpeg())
    dataset = Wflw(WflwOptions(root=str(tmp_path)))
    first, second = dataset
    assert (first.id, second.id, len(dataset)) == ("a/b.jpg", "other.jpg", 2)
    assert first.image.shape == (20, 30, 3)
    assert first.truth.boxes.tolist() == [[10, 10, 20, 30]] * 2
    assert first.truth.landmarks[:, 2].tolist() == [[2, 1], [7, 1]]
    assert {name: value.tolist() for name, value in second.truth.attributes.items()} == {
        "pose": [True],
        "expression": [False],
        "illumination": [False],
        "makeup": [False],
        "occlusion": [False],
        "blur": [False],
    }
    with pytest.raises(ImageError, match=r"other\.jpg: cannot be read from .*WFLW_images"):
        _ = second.image


def test_wflw_without_boxes_takes_what_the_landmarks_span():
    faces = parse_wflw("list", wflw_line(box="", flags="").encode())["a/b.jpg"]
    assert faces.boxes.tolist() == [[0, 0, 97, 48.5]]
    assert not faces.attributes


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (wflw_line() + wflw_line(box="10 10 20"), "list:2: expected 196 or 206 numbers and a name"),
        (wflw_line() + wflw_line(box="", flags=""), "list:2: expected 196 or 206"),
        (wflw_line(box="10 10 20 nan"), "list:1: 'nan' is not a finite number"),
        (wflw_line(box="10 10 20 x"), "list:1: could not convert"),
        (wflw_line(box="10 10 5 30"), "list:1: a box of no size"),
        (wflw_line(flags="0 1 0 2 0 1"), "list:1: .*attribute"),
        ("a.jpg\n", "list:1: expected"),
        ("", "list: names no face"),
    ],
)
def test_wflw_broken_line_is_named(content: str, reason: str):
    with pytest.raises(FaceportError, match=reason):
        parse_wflw("list", content.encode())


@given(st.integers(0, 2 * len(wflw_line())), st.sampled_from(["", "-1", "nan", "\n", "\r\n", "\udce9"]))
def test_fuzzed_wflw_is_read_or_refused(place: int, junk: str):
    whole = wflw_line() + wflw_line("other.jpg")
    content = os.fsencode(whole[:place] + junk + whole[place:] if junk else whole[:place])
    try:
        found = parse_wflw("list", content)
    except FaceportError as error:
        assert "list:" in str(error)
    else:  # what can be read is one of the lines, perhaps of a picture that does not exist, or another number
        assert all(faces.landmarks.shape[1:] == (98, 2) for faces in found.values())
        assert sum(map(len, found.values())) <= 2


def test_wflw_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "wflw.zip", "w") as archive:
        archive.writestr("WFLW/WFLW_images/a/b.jpg", jpeg())
        archive.writestr("WFLW/WFLW_annotations/list_98pt_rect_attr_test.txt", "")
        archive.writestr("WFLW/list_98pt_rect_attr_test.txt", wflw_line())
    (sample,) = Wflw(WflwOptions(root=str(tmp_path / "wflw.zip")))
    assert sample.image.shape == (20, 30, 3)


def test_real_wflw(real_dir):
    folder = real_dir / "wflw"
    dataset = Wflw(WflwOptions(root=str(folder), list=str(folder / "list_98pt_rect_attr_subset.txt")))
    rows = (folder / "subset_crops.tsv").read_text().splitlines()[1:]
    faces = {name: iter(range(len(truth))) for name, truth in dataset.labels.items()}
    for row in rows:
        name, _, *fields = row.split("\t")
        position = next(faces[name])
        truth = dataset.labels[name]
        flags = [int(values[position]) for values in truth.attributes.values()]
        assert flags == [int(field) for field in fields[:6]], row
        x, y, width, height = map(float, fields[6:])
        expected = [x + width / 12, y + height / 12, x + width * 11 / 12, y + height * 11 / 12]
        assert truth.boxes[position] == pytest.approx(expected, abs=1e-2)
    assert sum(len(truth) for truth in dataset.labels.values()) == len(rows)
    assert all(sample.image.shape[2] == 3 for sample in dataset)
    short = parse_wflw("short", (folder / "list_98pt_test_subset.txt").read_bytes())
    for name, truth in dataset.labels.items():
        np.testing.assert_array_equal(short[name].landmarks, truth.landmarks)


def test_real_wflw_in_the_published_crop(real_dir):
    folder = real_dir / "wflw"
    labels = [line.split() for line in (folder / "pipnet_test_mu.txt").read_text().splitlines()]
    faces = parse_wflw("mu", (folder / "list_98pt_test_makeup.txt").read_bytes())
    assert sum(map(len, faces.values())) == len(labels) == 206


# 300-W


def pts(points: int = 68) -> str:
    body = "".join(f"{i}.5 {2 * i}\n" for i in range(points))
    return f"version: 1\nn_points:  {points}\n{{\n{body}}}\n"


def test_w300(tmp_path):
    for name in ("helen/testset/1_1", "lfpw/testset/image_0001", "ibug/image_003_1"):
        write(tmp_path / f"{name}.pts", pts().replace("\n", "\r\n"))
        write(tmp_path / f"{name}.png", jpeg())
    dataset = W300(W300Options(root=str(tmp_path)))
    assert list(dataset.labels) == [
        "helen/testset/1_1.png",
        "lfpw/testset/image_0001.png",
        "ibug/image_003_1.png",
    ]
    first, *_, last = dataset
    assert first.truth.landmarks[0, 67].tolist() == [67.5, 134]
    assert first.truth.boxes.tolist() == [[0.5, 0, 67.5, 134]]
    assert [bool(s.truth.attributes["challenge"][0]) for s in (first, last)] == [False, True]
    assert last.image.shape == (20, 30, 3)
    assert len(W300(W300Options(root=str(tmp_path), split="challenge"))) == 1
    with pytest.raises(MissingError, match=r"no afw/\*\.pts .*ibug\.doc.*dataset\.root=FOLDER"):
        len(W300(W300Options(root=str(tmp_path), split="train")))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pts(67), "a.pts: expected 68 landmarks, found 67"),
        (pts().replace("3.5 6\n", "3.5\n"), r"a\.pts:7: expected 'x y'"),
        (pts().replace("3.5 6\n", "3.5 nan\n"), r"a\.pts:7: 'nan'"),
        (pts()[:200], "ends before the closing brace"),
        ("", "ends before the closing brace"),
    ],
)
def test_w300_broken_file_is_named(content: str, reason: str):
    with pytest.raises(FaceportError, match=reason):
        parse_pts("a.pts", content.encode())


@given(st.integers(0, len(pts()) - 2))
def test_truncated_points_are_refused(size: int):
    with pytest.raises(FaceportError, match=r"a\.pts"):
        parse_pts("a.pts", pts()[:size].encode())


@given(st.lists(JUNK, max_size=4), st.integers(0, 70))
def test_fuzzed_points_are_read_or_refused(junk: list[str], place: int):
    rows = pts().splitlines()
    content = os.fsencode("\n".join([*rows[:place], *junk, *rows[place:]]))
    try:
        points = parse_pts("a.pts", content)
    except FaceportError as error:
        assert "a.pts" in str(error)
    else:
        assert np.array_equal(points, parse_pts("a.pts", pts().encode()))


# COFW


def write_cofw(path: Path, broken: str = "") -> None:
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 20, (2, 87))
    rows[:, 58:] = [[0], [1]]
    boxes = np.array([[1, 2, 10, 20], [3, 4, 10, -1 if broken == "box" else 12]], float)
    pictures = [np.full((5, 7, 3), (10, 20, 30), np.uint8), np.full((6, 8), 40, np.uint8)]
    with h5py.File(path, "w") as file:
        references = np.empty((1, 2), dtype=h5py.ref_dtype)
        for i, picture in enumerate(pictures):
            references[0, i] = file.create_dataset(f"#refs#/{i}", data=picture.T).ref
        file["IsT"] = references
        if broken != "phis":
            file["phisT"] = rows.T[: 80 if broken == "short" else 87]
        file["bboxesT"] = boxes.T


def test_cofw(tmp_path):
    write_cofw(tmp_path / "COFW_test_color.mat")
    first, second = Cofw(CofwOptions(root=str(tmp_path)))
    assert first.id == "test/0001"
    assert first.image.shape == (5, 7, 3)
    assert first.image[0, 0].tolist() == [10, 20, 30]
    assert second.image[0, 0].tolist() == [40, 40, 40]
    assert first.truth.boxes.tolist() == [[1, 2, 11, 22]]
    rows = np.random.default_rng(0).uniform(0, 20, (2, 87)).astype(np.float32)
    np.testing.assert_array_equal(second.truth.landmarks[0, :, 1], rows[1, 29:58])
    assert (first.truth.attributes["hidden"].any(), second.truth.attributes["hidden"].all()) == (False, True)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [("phis", "has no phisT"), ("short", "expected 87 numbers"), ("box", "a box has no size")],
)
def test_cofw_that_is_not_cofw(tmp_path, broken: str, reason: str):
    write_cofw(tmp_path / "COFW_test_color.mat", broken)
    with pytest.raises(FaceportError, match=reason):
        len(Cofw(CofwOptions(root=str(tmp_path))))


def test_cofw_in_a_zip(tmp_path):
    write_cofw(tmp_path / "COFW_test_color.mat")
    with zipfile.ZipFile(tmp_path / "COFW_color.zip", "w") as archive:
        archive.write(tmp_path / "COFW_test_color.mat", "deep/within/COFW_test_color.mat")
        archive.writestr("README", "")
    packed = list(Cofw(CofwOptions(root=str(tmp_path / "COFW_color.zip"))))
    for one, other in zip(packed, Cofw(CofwOptions(root=str(tmp_path))), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.truth.landmarks, other.truth.landmarks)


def test_cofw_that_is_missing_or_damaged(tmp_path):
    with pytest.raises(MissingError, match=r"no COFW_test_color\.mat in .* COFW is free for research only"):
        len(Cofw(CofwOptions(root=str(tmp_path))))
    write(tmp_path / "COFW_test_color.mat", b"MATLAB 7.3 MAT-file, cut off")
    with pytest.raises(FaceportError, match="is damaged"):
        len(Cofw(CofwOptions(root=str(tmp_path))))


# AFLW


def write_aflw(root: Path, count: int = 20_003, **changes) -> None:
    rng = np.random.default_rng(0)
    names = np.empty((count, 1), dtype=object)
    names[:, 0] = [f"0/image{i // 2:05d}.jpg" for i in range(count)]
    content = {
        "bbox": np.tile([10, 50, 20, 60], (count, 1)),
        "data": np.concatenate(
            [np.tile(np.arange(19), (count, 1)), np.tile(np.arange(19) + 100, (count, 1))], axis=1
        ),
        "mask_new": (np.arange(count) % 2).reshape(-1, 1).repeat(19, axis=1),
        "nameList": names,
        "ra": np.append(np.arange(4, count + 1), [1, 2, 3]).reshape(1, -1),
    }
    del rng
    root.mkdir(exist_ok=True)
    scipy.io.savemat(root / "AFLWinfo_release.mat", content | changes)


def test_aflw(tmp_path):
    write_aflw(tmp_path)
    dataset = Aflw(AflwOptions(root=str(tmp_path)))
    assert {name: len(faces) for name, faces in dataset.labels.items()} == {
        "0/image00000.jpg": 2,
        "0/image00001.jpg": 1,
    }
    faces = dataset.labels["0/image00000.jpg"]
    assert faces.boxes[0].tolist() == [10, 20, 50, 60]
    assert faces.landmarks[0, 3].tolist() == [3, 103]
    assert faces.attributes["frontal"].tolist() == [False, True]
    frontal = Aflw(AflwOptions(root=str(tmp_path), split="frontal"))
    assert {name: len(faces) for name, faces in frontal.labels.items()} == {"0/image00000.jpg": 1}
    train = Aflw(AflwOptions(root=str(tmp_path), split="train"))
    assert sum(map(len, train.labels.values())) == 20_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ra": np.arange(5)}, "ra does not fit its 20003 faces"),
        ({"bbox": np.zeros((5, 4))}, "bbox does not fit"),
        ({"data": np.full((20_003, 38), np.nan)}, "is not finite"),
    ],
)
def test_aflw_that_does_not_fit_together(tmp_path, changes, reason: str):
    write_aflw(tmp_path, **changes)
    with pytest.raises(FaceportError, match=reason):
        len(Aflw(AflwOptions(root=str(tmp_path))))


# LaPa


def lapa(points: int = 106) -> str:
    return "\n".join([str(points), *(f"{i}.5 {i}" for i in range(points))]) + "\n"


def test_lapa(tmp_path):
    write(tmp_path / "test/landmarks/1_0.txt", lapa())
    write(tmp_path / "test/images/1_0.jpg", jpeg())
    (sample,) = Lapa(LapaOptions(root=str(tmp_path)))
    assert sample.id == "1_0.jpg"
    assert sample.image.shape == (20, 30, 3)
    assert sample.truth.landmarks.shape == (1, 106, 2)
    assert sample.truth.boxes.tolist() == [[0.5, 0, 105.5, 105]]
    with pytest.raises(MissingError, match="no val/landmarks in .*lapa-dataset"):
        len(Lapa(LapaOptions(root=str(tmp_path), split="val")))


@given(st.lists(JUNK, min_size=1, max_size=4), st.integers(0, 107))
def test_fuzzed_lapa_is_read_or_refused(junk: list[str], place: int):
    rows = lapa().splitlines()
    content = os.fsencode("\n".join([*rows[:place], *junk, *rows[place:]]))
    try:
        points = parse_lapa("a.txt", content)
    except FaceportError as error:
        assert "a.txt" in str(error)
    else:
        assert np.array_equal(points, parse_lapa("a.txt", lapa().encode()))


# All of them


@pytest.mark.parametrize(
    "dataset",
    [
        Wflw(WflwOptions(root="/nowhere")),
        W300(W300Options(root="/nowhere")),
        Aflw(AflwOptions(root="/nowhere")),
        Lapa(LapaOptions(root="/nowhere")),
        Cofw(CofwOptions(root="/nowhere")),
    ],
    ids=lambda dataset: type(dataset).__name__,
)
def test_missing_dataset_says_what_to_do(dataset: LabelledPictures):
    with pytest.raises(MissingError, match=r"/nowhere.*dataset\."):
        len(dataset)
