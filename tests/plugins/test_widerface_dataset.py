"""WIDER FACE: annotations, pictures, official predictions, and what happens when they are broken."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from faceport.errors import FaceportError, ImageError, MissingError
from faceport.types import Faces, Prediction
from faceport_widerface_dataset.annotations import read_text
from faceport_widerface_dataset.dataset import WiderFace, WiderFaceOptions
from faceport_widerface_dataset.predictions import parse, read_predictions, write_predictions

ONE = "0--A/a.jpg\n2\n1 2 3 4 0 1 0 1 2 1 \n5 6 7 8 2 0 1 0 0 0 \n"
EMPTY = "0--A/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"


def official(root, **options) -> WiderFace:
    return WiderFace(WiderFaceOptions(root=str(root), **options))


def annotated(root: Path, text: str = ONE + EMPTY) -> Path:
    file = root / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.fsencode(text))
    return file


def cells(values: list) -> np.ndarray:
    array = np.empty((len(values), 1), dtype=object)
    for i, value in enumerate(values):
        array[i, 0] = value
    return array


def write_mats(folder: Path, easy: list[int], file: str = "a") -> None:
    """Write a set of one event and one picture with two faces, in MATLAB's nesting."""
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "event_list": cells(["0--A"]),
        "face_bbx_list": cells([cells([np.array([[1, 2, 3, 4], [5, 6, 7, 8]])])]),
    }
    scipy.io.savemat(folder / "wider_face_val.mat", common | {"file_list": cells([cells(["a"])])})
    for level in ("easy", "medium", "hard"):
        kept = np.array(easy if level == "easy" else [1, 2], dtype=np.uint8).reshape(-1, 1)
        lists = {"file_list": cells([cells([file])]), "gt_list": cells([cells([kept])])}
        scipy.io.savemat(folder / f"wider_{level}_val.mat", common | lists)


def test_text_list(tmp_path):
    annotated(tmp_path)
    dataset = official(tmp_path)
    assert [sample.id for sample in dataset] == ["0--A/a.jpg", "0--A/b.jpg"]
    faces = next(iter(dataset)).truth
    assert faces.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert {name: values.tolist() for name, values in faces.attributes.items()} == {
        "blur": [0, 2],
        "expression": [1, 0],
        "illumination": [0, 1],
        "invalid": [1, 0],
        "occlusion": [2, 0],
        "pose": [1, 0],
    }
    assert len(dataset.labels["0--A/b.jpg"]) == 0
    facts = dataset.facts()
    assert (facts["protocol"], facts["pictures"], facts["faces"]) == ("WIDER FACE val, without levels", 2, 2)
    annotated(tmp_path, ONE.replace("1 2 3 4", "1 2 3 5") + EMPTY)
    assert official(tmp_path).facts()["labels_sha256"] != facts["labels_sha256"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            ONE.replace("7 8 2", "7 x 2"),
            r"bbx_gt.txt:4: expected face 2 of 2 of 0--A/a.jpg .* found '5 6 7 x",
        ),
        (ONE.replace("5 6 7 8", "5 6 -7 8"), r"bbx_gt.txt:4: "),
        (ONE.replace("5 6 7 8", "5 6 nan 8"), r"bbx_gt.txt:4: "),
        (ONE.replace("\n2\n", "\n3\n"), r"ends too early: expected face 3 of 3"),
        (ONE.replace("\n2\n", "\n1\n"), r"bbx_gt.txt:4: expected the name of a picture, found '5 6 7 8"),
        (
            ONE.replace("\n2\n", "\ntwo\n"),
            r"bbx_gt.txt:2: expected the number of faces of 0--A/a.jpg, found 'two'",
        ),
        (ONE + ONE, r"bbx_gt.txt:5: 0--A/a.jpg is listed twice, the first time in line 1"),
        (ONE.replace("\n2\n", "\n" + "9" * 5000 + "\n"), r"bbx_gt.txt:2: expected the number of faces"),
        (
            EMPTY.replace(" 0 \n", " 1 \n"),
            r"bbx_gt.txt:3: 0--A/b.jpg is said to have no face, but there is '0 ",
        ),
        (ONE.replace("5 6 7 8", "5 6 7 99999999999999999999"), r"bbx_gt.txt:4: "),
        (ONE.replace("7 8 2", "7 8 256"), r"bbx_gt.txt:4: "),
        ("0--A/a.jpg", r"the file ends after 0--A/a.jpg"),
    ],
)
def test_broken_line_is_named(tmp_path, text: str, reason: str):
    annotated(tmp_path, text)
    with pytest.raises(FaceportError, match=reason):
        len(official(tmp_path))


def test_foreign_line_ends_and_names(tmp_path):
    annotated(tmp_path, (ONE + EMPTY).replace("\n", "\r\n").replace("a.jpg", "\udce9.jpg"))
    names = list(official(tmp_path).labels)
    assert names == [r"0--A/\xe9.jpg", "0--A/b.jpg"]  # predictions are text, and so are ids


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["0--A/a.jpg", "0--A/b.jpg", "", "0", "1", "2", "nan", "-1", "1 2 3 4 0 0 0 0 0 0"]),
        max_size=8,
    )
)
def test_fuzzed_text_reads_what_it_says_or_fails_clearly(tmp_path_factory, lines: list[str]):
    file = annotated(tmp_path_factory.getbasetemp() / "fuzz", "\n".join(lines))
    try:
        annotations = read_text(file.name, file.read_bytes())
    except FaceportError as error:
        assert file.name in str(error)
    else:
        assert sum(len(faces) for faces in annotations.values()) == sum(" " in line for line in lines)
        assert list(annotations) == [line for line in lines if line.endswith(".jpg")]


def test_matlab_files(tmp_path):
    write_mats(tmp_path / "ground_truth", easy=[2])
    faces = official(tmp_path).labels["0--A/a.jpg"]
    assert faces.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert faces.attributes["easy"].tolist() == [False, True]
    assert faces.attributes["hard"].tolist() == [True, True]


@pytest.mark.parametrize("wrong", [{"easy": [3]}, {"easy": [1], "file": "b"}])
def test_matlab_files_of_two_releases(tmp_path, wrong):
    write_mats(tmp_path / "ground_truth", **wrong)
    with pytest.raises(
        FaceportError, match=r"wider_easy_val.mat does not fit .*wider_face_val.mat at 0--A/a.jpg"
    ):
        len(official(tmp_path))


def test_a_picture_twice_in_a_matlab_file(tmp_path):
    write_mats(tmp_path / "ground_truth", easy=[1])
    for level in ("easy", "medium", "hard"):
        (tmp_path / "ground_truth" / f"wider_{level}_val.mat").unlink()
    file = tmp_path / "ground_truth" / "wider_face_val.mat"
    content = {key: value for key, value in scipy.io.loadmat(file).items() if key[0] != "_"}
    content["file_list"] = cells([cells(["a", "a"])])
    content["face_bbx_list"] = cells([cells([np.ones((1, 4))] * 2)])
    scipy.io.savemat(file, content)
    with pytest.raises(FaceportError, match=r"at 0--A/a\.jpg: it is listed twice"):
        len(official(tmp_path))


def test_damaged_matlab_file(tmp_path):
    write_mats(tmp_path / "ground_truth", easy=[1])
    file = tmp_path / "ground_truth" / "wider_hard_val.mat"
    file.write_bytes(file.read_bytes()[:150])
    with pytest.raises(FaceportError, match=r"wider_hard_val.mat: "):
        len(official(tmp_path))


def test_missing_level(tmp_path):
    write_mats(tmp_path / "ground_truth", easy=[1])
    (tmp_path / "ground_truth" / "wider_hard_val.mat").unlink()
    with pytest.raises(MissingError, match=r"no wider_hard_val\.mat"):
        len(official(tmp_path))


def test_missing_dataset_says_where_to_get_it(tmp_path):
    with pytest.raises(MissingError, match=r"research only.*shuoyang1213.*dataset\.root=FOLDER"):
        len(official(tmp_path))


def test_missing_pictures(tmp_path):
    annotated(tmp_path)
    sample = next(iter(official(tmp_path)))
    with pytest.raises(MissingError, match=r"no WIDER_val in .*WIDER_val\.zip"):
        _ = sample.image
    (tmp_path / "WIDER_val" / "images").mkdir(parents=True)
    sample = next(iter(official(tmp_path)))
    with pytest.raises(ImageError, match=r"0--A/a\.jpg: cannot be read"):
        _ = sample.image


def test_subset(tmp_path):
    annotated(tmp_path)
    chosen = tmp_path / "chosen.txt"
    chosen.write_text("/0--A/b.jpg\r\n\n")
    assert [sample.id for sample in official(tmp_path, subset=str(chosen))] == ["0--A/b.jpg"]
    chosen.write_text("0--A/b.jpg\n0--A/c.jpg\n")
    with pytest.raises(FaceportError, match=r"chosen.txt:2: '0--A/c.jpg' is not a picture"):
        len(official(tmp_path, subset=str(chosen)))
    chosen.write_text("0--A/b.jpg\n\n0--A/b.jpg\n")
    with pytest.raises(FaceportError, match=r"chosen.txt:3: 0--A/b.jpg is listed twice, .* in line 1"):
        len(official(tmp_path, subset=str(chosen)))
    with pytest.raises(MissingError, match=r"nothing.txt \(dataset.subset\): No such file"):
        len(official(tmp_path, subset=str(tmp_path / "nothing.txt")))


@pytest.mark.parametrize("name", ["folder", "predictions.zip"])
def test_predictions_come_back_as_they_were(tmp_path, name: str):
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0, 1000, (50, 4)).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    scores = np.sort(rng.uniform(size=50).astype(np.float32))[::-1]
    written = [Prediction("0--A/a.jpg", Faces(boxes=boxes, scores=scores)), Prediction("0--A/b.jpg", Faces())]
    write_predictions(written, tmp_path / name)
    first, second = read_predictions(tmp_path / name)
    assert first.id == "0--A/a.jpg"
    np.testing.assert_array_equal(first.faces.scores, scores)
    np.testing.assert_allclose(first.faces.boxes, boxes, rtol=1e-7)
    assert (second.id, len(second.faces)) == ("0--A/b.jpg", 0)


def test_predictions_are_written_best_first(tmp_path):
    boxes = np.array([[0, 0, 1, 1], [5, 5, 9, 9]], np.float32)
    faces = Faces(boxes=boxes, scores=np.array([0.25, 0.5], np.float32))
    write_predictions([Prediction("0--A/a.jpg", faces)], tmp_path)
    assert (tmp_path / "0--A" / "a.txt").read_text() == "a\n2\n5 5 4 4 0.5\n0 0 1 1 0.25\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\n2\n1 2 3 4 .5\n1 2 3 4\n", r"a.txt:4: expected 'x y w h score', found '1 2 3 4'"),
        ("a\n2\n1 2 3 4 .5\n", r"a.txt:2: says 2 detections, but 1 follow"),
        ("a\n1\n1 2 3 4 nan\n", r"a.txt:3: "),
        ("a\n1\n1 2 3 4 1e39\n", r"a.txt:3: "),
        ("a\n" + "9" * 5000 + "\n1 2 3 4 .5\n", r"a.txt:2: expected the number of detections"),
        ("a\n1 2 3 4 .5\n", r"a.txt:2: expected the number of detections, found '1 2 3 4 .5'"),
        ("", r"a.txt:2: expected the number of detections, found ''"),
    ],
)
def test_broken_prediction_is_named(tmp_path, text: str, reason: str):
    (tmp_path / "0--A").mkdir()
    (tmp_path / "0--A" / "a.txt").write_text(text)
    with pytest.raises(FaceportError, match=reason):
        list(read_predictions(tmp_path))


WHOLE = "a\r\n2\r\n1 2 3 4 0.5 \r\n-5 6 7 8 0.25 \r\n"


@given(st.integers(0, len(WHOLE)), st.sampled_from(["", " ", "\n", "nan ", "x", "0 "]))
def test_fuzzed_predictions_are_read_or_refused(place: int, junk: str):
    content = WHOLE[:place] + junk + WHOLE[place:] if junk else WHOLE[:place]
    try:
        rows = parse(content.encode(), "a.txt")
    except FaceportError as error:
        assert str(error).startswith("a.txt:")
    else:  # nothing but a digit more or less in a number can go unseen
        assert rows.shape == (2, 5)


def test_predictions_of_something_else(tmp_path):
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(FaceportError, match="no WIDER FACE predictions"):
        list(read_predictions(tmp_path))
    annotated(tmp_path)
    write_predictions([Prediction("1--B/x.jpg", Faces())], tmp_path / "out")
    with pytest.raises(FaceportError, match=r"1--B/x\.jpg is no picture of WIDER FACE val"):
        list(official(tmp_path).read_predictions(tmp_path / "out"))


def test_two_files_for_one_picture(tmp_path):
    for folder in ("one", "two"):
        write_predictions([Prediction("0--A/a.jpg", Faces())], tmp_path / folder)
    with pytest.raises(FaceportError, match=r"two files for 0--A/a\.jpg"):
        list(read_predictions(tmp_path))


def test_real_annotations(real_dir):
    dataset = official(real_dir / "wider")
    annotations = dataset.labels
    assert len(dataset) == 3226
    assert sum(len(faces) for faces in annotations.values()) == 39708
    counts = {
        level: sum(int(faces.attributes[level].sum()) for faces in annotations.values())
        for level in ("easy", "medium", "hard")
    }
    assert counts == {"easy": 7211, "medium": 13319, "hard": 31958}
    text = read_text("list", (real_dir / "wider" / "wider_face_val_bbx_gt.txt").read_bytes())
    assert list(text) == list(annotations)
    differing = []
    for name, faces in text.items():
        differing += [name] * int((faces.boxes != annotations[name].boxes).any(axis=1).sum())
        for label, values in faces.attributes.items():
            np.testing.assert_array_equal(values, annotations[name].attributes[label], err_msg=name)
    # The two official files disagree on one box: its width is -2 in the one and 0 in the other.
    assert differing == ["39--Ice_Skating/39_Ice_Skating_iceskiing_39_583.jpg"]


def test_real_pictures_in_a_folder_and_in_a_zip(real_dir, tmp_path):
    root = real_dir / "wider"
    subset = str(root / "subset_list.txt")
    sample = next(iter(official(root, subset=subset)))
    assert sample.image.shape == (687, 1024, 3)
    name = f"WIDER_val/images/{sample.id}"
    with zipfile.ZipFile(tmp_path / "WIDER_val.zip", "w") as archive:
        archive.write(root / name, name)
    annotated(tmp_path, (root / "wider_face_val_bbx_gt.txt").read_text())
    zipped = next(iter(official(tmp_path, subset=subset)))
    np.testing.assert_array_equal(zipped.image, sample.image)


def test_real_predictions(real_dir):
    from faceport.api import Scored
    from faceport_widerface_metric.metric import WiderFaceAP

    dataset = official(real_dir / "wider")
    path = real_dir / "wider" / "preds" / "retinaface_mobilenet025_originsize.zip"
    truth = {sample.id: sample.truth for sample in dataset}
    predictions = list(dataset.read_predictions(path))
    assert len(predictions) == 3226
    result = WiderFaceAP().compute(Scored(p.id, p.faces, truth[p.id]) for p in predictions)
    expected = {"easy": 0.9069584, "medium": 0.8815791, "hard": 0.7382863}
    assert {level: result[level] for level in expected} == pytest.approx(expected, abs=1e-6)
