"""Records: written, read, merged; what is none is named."""

import json
import os
from dataclasses import replace

import pytest

from faceport.errors import FaceportError
from faceport.runs.record import FORMAT, Record, RecordError, Samples, Timing, merge, second_place

WHOLE = Record(
    status="done",
    config={"model": {"name": "toy"}},
    folder="runs/toy",
    samples=Samples(total=5, predicted=4, unreadable=1, unreadable_named={"x.jpg": "empty"}),
    timing=Timing(
        5,
        2.0,
        2.5,
        {"decode": {"count": 5, "items": 5, "total_s": 1.0, "mean_ms": 200.0, "buckets": {"3": 4, "7": 1}}},
    ),
    metrics={"landmarks": {"nme": 0.05}},
    notes=["random weights"],
)


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "deep" / "record.json"
    WHOLE.write(path)
    again = Record.read(path)
    assert again is not None and again.written
    assert replace(again, written="").plain() == WHOLE.plain()
    assert json.loads(path.read_text())["format"] == FORMAT


def test_what_was_altered_by_hand_is_refused(tmp_path):
    path = tmp_path / "record.json"
    WHOLE.write(path)
    assert Record.read(path).sealed
    path.write_text(path.read_text().replace("0.05", "0.04"))
    with pytest.raises(RecordError, match=r"record\.json was altered since it was written"):
        Record.read(path)


def test_there_may_be_none(tmp_path):
    assert Record.read(tmp_path / "record.json") is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.pop("format"), "is no record of faceport"),
        (lambda c: c.update(format=1), "is a record of format 1, this faceport reads format 2"),
        (
            lambda c: c.update(status="fine"),
            "status is 'fine', it must be one of done, incomplete, failed, waiting",
        ),
        (lambda c: c.update(metrics=[]), r"'metrics' is \[\], it must be a mapping"),
        (lambda c: c.update(notes="one"), "'notes' is 'one', it must be a list"),
        (lambda c: c.update(extra=1), "has a field 'extra', which no record has"),
        (lambda c: c["samples"].update(total="5"), "samples: 'total' is '5', it must be a whole number"),
        (lambda c: c.update(timing=3), "timing must be a mapping, not 3"),
    ],
)
def test_what_is_no_record_is_named(change, sentence, tmp_path):
    content = WHOLE.plain()
    change(content)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=sentence) as raised:
        Record.read(path)
    assert str(path) in str(raised.value)


def test_a_pipe_or_a_device_is_no_record(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "device.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "device.json"):
        with pytest.raises(FaceportError, match="is a pipe, a socket or a device"):
            Record.read(tmp_path / name)


def test_a_second_place_is_new_or_a_record(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere" / "else")
    for name in ("pipe.json", "mine.txt", "gone.json", "."):
        with pytest.raises(FaceportError, match="is there and is no record of faceport"):
            second_place(str(tmp_path / name))
    (tmp_path / "empty.json").touch()
    WHOLE.write(tmp_path / "older.json")
    for name in ("empty.json", "older.json", "new.json"):
        assert second_place(str(tmp_path / name)) == tmp_path / name


@pytest.mark.parametrize("text", ["", "{", "[1", "null", "[]", '"x"', "[" * 100_000])
def test_half_a_record_is_none(text, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(FaceportError, match=r"record\.json"):
        Record.read(path)


def test_counts_and_times_of_parts_add_up():
    samples, timing = merge([WHOLE, replace(WHOLE, samples=Samples(total=3, predicted=3))])
    assert samples == Samples(8, 7, 0, 0, 1, {"x.jpg": "empty"})
    assert (timing.samples, timing.seconds, timing.samples_per_second) == (10, 4.0, 2.5)
    assert timing.stages["decode"]["count"] == 10
    assert timing.stages["decode"]["buckets"] == {"3": 8, "7": 2}
