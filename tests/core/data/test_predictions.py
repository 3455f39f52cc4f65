import numpy as np
import pytest

from faceport.data.predictions import PredictionFile, from_json, read_predictions, to_json
from faceport.errors import FaceportError
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
    assert from_json(to_json(Prediction("a", Faces(scores=np.ones(2, np.float32))))).faces.known == {"scores"}
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
