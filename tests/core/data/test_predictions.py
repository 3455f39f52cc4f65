import os

import numpy as np
import pytest

from faceport.data import predictions as module
from faceport.data.predictions import PredictionFile, from_json, read_predictions, to_json
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.runs.pairing import Pairing
from faceport.types import FIELDS, Faces, Prediction, Sample


def faces(count=3):
    rng = np.random.default_rng(count)
    return Faces(
        boxes=rng.random((count, 4)).astype(np.float32) * 1000,
        scores=rng.random(count).astype(np.float32),
        points=rng.random((count, 5, 2)).astype(np.float32),
        landmarks=rng.random((count, 98, 2)).astype(np.float32),
        embeddings=rng.random((count, 8)).astype(np.float32),
        identities=np.array([f"person {i}" for i in range(count)], dtype=object),
        attributes={"blur": np.arange(count)},
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_predictions_survive_the_file_to_the_last_bit(count):
    before = Prediction("a/b.jpg", faces(count))
    after = from_json(to_json(before))
    assert after.id == before.id
    assert len(after.faces) == count
    for name in FIELDS[:-1]:
        one, other = getattr(before.faces, name), getattr(after.faces, name)
        if count:
            assert np.array_equal(one, other), name
        assert len(other) == count
    assert after.faces.attributes["blur"].tolist() == list(range(count))


def test_fields_that_are_not_known_stay_unknown():
    assert from_json(to_json(Prediction("a", Faces(scores=np.ones(2, np.float32))))).faces.fields == {
        "scores"
    }
    assert from_json(to_json(Prediction("a", Faces(), "empty file"))).error == "empty file"


def test_a_line_cut_off_by_a_kill_is_dropped_and_the_file_goes_on(tmp_path):
    path = tmp_path / "predictions.jsonl"
    with PredictionFile(path) as file:
        for name in "abc":
            file.write(Prediction(name, faces()))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with PredictionFile(path) as file:
        assert file.count == 2
        samples = iter([Sample(name, np.zeros((1, 1, 3), np.uint8)) for name in "abcd"])
        assert [sample.id for sample in file.without_done(samples)] == ["c", "d"]
        file.write(Prediction("c", faces()))
    assert path.read_bytes() == whole


def test_other_data_is_not_gone_on_with(tmp_path):
    path = tmp_path / "predictions.jsonl"
    with PredictionFile(path) as file:
        file.write(Prediction("a", faces()))
        with pytest.raises(FaceportError, match="made from other data.*fresh=true"):
            list(file.without_done(iter([Sample("z", np.zeros((1, 1, 3), np.uint8))])))


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"id": "a", "scores": [1]}\n{"id": \n')
    with pytest.raises(FaceportError, match=r"predictions\.jsonl:2 is not a prediction"):
        list(read_predictions(path))


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    path = tmp_path / "predictions.jsonl"
    with PredictionFile(path) as file:
        file.write(Prediction("a", faces()))
        real = file._file

        class Full:
            def __init__(self):
                self.room = 50

            def write(self, data):
                if not self.room:
                    raise OSError(28, "No space left on device")
                size = real.write(data[: self.room])
                self.room = 0
                return size

            def __getattr__(self, name):
                return getattr(real, name)

        file._file = Full()
        with pytest.raises(FaceportError, match="no space left"):
            file.write(Prediction("b", faces()))
    assert [prediction.id for prediction in read_predictions(path)] == ["a"]
    assert path.read_bytes().endswith(b"\n")


BAD = [
    ('{"id": "b", "boxes": [[1, 2, 3]]}', "boxes: expected numbers of shape (faces, 4), found [[1, 2, 3]]"),
    ('{"id": "b", "boxes": [1, 2, 3, 4]}', "boxes: expected numbers of shape (faces, 4)"),
    ('{"id": "b", "boxes": null}', "boxes: expected numbers of shape (faces, 4), found nothing"),
    ('{"id": "b", "boxes": [[1, 2, 3, null]]}', "boxes: expected numbers"),
    ('{"id": "b", "boxes": [[1, 2, 3, "4"]]}', "boxes: expected numbers"),
    ('{"id": "b", "boxes": [[1, 2, 3, 4], [1, 2, 3]]}', "boxes: expected numbers"),
    ('{"id": "b", "boxes": [[[1], 2, 3, 4]]}', "boxes: expected numbers"),
    ('{"id": "b", "boxes": [[1, 2, 3, 1e39]]}', "boxes: a number is too large"),
    ('{"id": "b", "scores": [null]}', "scores: expected numbers of shape (faces)"),
    ('{"id": "b", "scores": 0.5}', "scores: expected numbers"),
    ('{"id": "b", "scores": "0.5"}', "scores: expected numbers"),
    ('{"id": "b", "points": [[[1, 2]]]}', "points: expected numbers of shape (faces, 5, 2)"),
    ('{"id": "b", "landmarks": [[1, 2, 3, 4]]}', "landmarks: expected numbers of shape (faces, any, 2)"),
    ('{"id": "b", "landmarks": [[]]}', "landmarks: expected numbers"),
    ('{"id": "b", "embeddings": [[]]}', "embeddings: expected numbers"),
    ('{"id": "b", "identities": [["a"]]}', "identities: expected a list of texts"),
    ('{"id": "b", "identities": ["a", 1]}', "identities: expected a list of texts"),
    ('{"id": "b", "identities": ["' + "a" * 5000 + '"]}', "identities: expected a list of texts"),
    ('{"id": "b", "attributes": [1]}', "attributes: expected an object"),
    ('{"id": "b", "attributes": {"blur": [null]}}', "attributes.blur: expected"),
    ('{"id": "b", "attributes": {"blur": [[1], [1, 2]]}}', "attributes.blur: expected"),
    ('{"id": "b", "attributes": {"blur": 1}}', "attributes.blur: expected"),
    ('{"id": "b", "boxes": [[1, 2, 3, 4]], "scores": []}', "fields of Faces differ in length"),
    ('{"id": ["b"]}', "id: expected a text, found ['b']"),
    ('{"id": ""}', "id: expected a text"),
    ('{"id": 7}', "id: expected a text"),
    ("{}", "id: expected a text, found nothing"),
    ('{"id": "b", "error": 5}', "error: expected a text"),
    ('{"id": "b", "box": []}', "there is no field 'box'; there are attributes, boxes"),
    ('["b"]', "expected an object"),
    ("[" * 3000 + "]" * 3000, ""),
    ('{"id": "b", "scores": [NaN]}', ""),
    ('{"id": "\x1b[31m"}', ""),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_line_of_another_shape_is_named_with_its_key(tmp_path, line, reason):
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"id": "a", "boxes": [[1, 2, 3, 4]]}\n' + line + "\n")
    with pytest.raises(FaceportError) as caught:
        list(read_predictions(path))
    assert str(caught.value).startswith(f"{path}:2 is not a prediction: {reason}")
    assert printable(caught.value) == str(caught.value)


def test_two_predictions_for_one_picture_are_an_error_with_both_places(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(f'{{"id": "{name}"}}\n' for name in "abcb"))
    with pytest.raises(
        FaceportError, match=r":4: there are two predictions for 'b', the other one in line 2"
    ):
        list(read_predictions(path))
    with pytest.raises(FaceportError, match="two predictions for 'b'"):
        PredictionFile(path)


def test_a_line_without_end_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_LINE", 1000)
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"id": "a"}\n{"id": "' + "b" * 5000)
    with pytest.raises(FaceportError, match=r":2 has more than 1,000 bytes"):
        list(read_predictions(path))


def test_landmarks_that_are_not_labelled_come_back_as_such():
    landmarks = np.full((1, 3, 2), np.nan, np.float32)
    landmarks[0, 0] = 1, 2
    found = from_json(to_json(Prediction("a", Faces(landmarks=landmarks)))).faces.landmarks
    np.testing.assert_array_equal(found, landmarks)


@pytest.mark.parametrize("name", ["boxes", "scores", "points", "embeddings"])
def test_an_answer_that_is_not_finite_is_a_failure_of_the_model(tmp_path, name):
    broken = faces()
    getattr(broken, name)[1] = np.nan
    with PredictionFile(tmp_path / "predictions.jsonl") as file:
        file.write(Prediction("a", broken))
        file.write(Prediction("b", faces()))
        assert file.failures == 1
    first, second = read_predictions(tmp_path / "predictions.jsonl")
    assert first.error == f"a: the model answered with numbers that are not finite ({name})"
    assert (len(first.faces), len(second.faces)) == (0, 3)


def test_one_process_writes_to_a_file(tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "predictions.jsonl"
    with PredictionFile(path) as file:
        file.write(Prediction("a", faces()))
        for fresh in (False, True):
            with pytest.raises(FaceportError, match="is being written to by another process.*another out="):
                PredictionFile(path, fresh=fresh)
        file.write(Prediction("b", faces()))
    with PredictionFile(path) as file:
        assert file.count == 2
    with PredictionFile(path, fresh=True) as file:
        assert file.count == 0
    assert path.read_bytes() == b""


def test_ids_that_come_twice_are_an_error_with_both_places(tmp_path):
    with PredictionFile(tmp_path / "p.jsonl") as file:
        file.write(Prediction("a.jpg", Faces()))
        file.write(Prediction("b.jpg", Faces()))
        with pytest.raises(FaceportError, match=r"two pictures with the id 'a\.jpg', numbers 1 and 3"):
            file.write(Prediction("a.jpg", Faces()))
    with PredictionFile(tmp_path / "p.jsonl") as file:
        with pytest.raises(FaceportError, match=r"id 'b\.jpg', numbers 2 and 3"):
            file.write(Prediction("b.jpg", Faces()))
    samples = [Sample(name, lambda: None) for name in ("a.jpg", "b.jpg", "a.jpg")]
    with pytest.raises(FaceportError, match=r"id 'a\.jpg', numbers 1 and 3"):
        list(Pairing(iter(samples), iter([])))


def test_a_pipe_is_no_file_of_predictions(tmp_path):
    os.mkfifo(tmp_path / "predictions.jsonl")
    with pytest.raises(FaceportError, match="is a pipe, a socket or a device"):
        list(read_predictions(tmp_path / "predictions.jsonl"))


@pytest.mark.parametrize(
    "id_", ["a/b.jpg", 'with "quotes"', "back\\slash", "ünï/😀.jpg", "x" * 4000, "error"]
)
@pytest.mark.parametrize("error", ["", "x.jpg: cannot be read", 'has an "error"'])
def test_a_run_that_goes_on_reads_what_a_full_look_reads(tmp_path, id_, error):
    path = tmp_path / "p.jsonl"
    lines = [Prediction("first", faces(2)), Prediction(id_, Faces() if error else faces(1), error)]
    other_order = b'{"id":"last","boxes":[],"error":"why"}\n'
    path.write_bytes(b"".join(map(to_json, lines)) + other_order + b'{"id":"cut off')
    with PredictionFile(path) as file:
        read = list(read_predictions(path))
        assert file.count == 3 and [one.id for one in read] == ["first", id_, "last"]
        assert file.named == {one.id: one.error for one in read if one.error}
        samples = (Sample(one, np.zeros((2, 2, 3), np.uint8)) for one in ("first", id_, "last", "next"))
        assert [sample.id for sample in file.without_done(samples)] == ["next"]
    assert path.read_bytes().endswith(other_order)


def test_a_line_that_is_damaged_at_either_end_is_named_at_once(tmp_path):
    path = tmp_path / "p.jsonl"
    for damaged in (b'"id":"a","boxes":[]}', b'{"id":"a","boxes":[', b'{"id":"a\xff","boxes":[]}'):
        path.write_bytes(to_json(Prediction("z", faces(1))) + damaged + b"\n")
        with pytest.raises(FaceportError, match="p.jsonl:2 is not a prediction"):
            PredictionFile(path)
