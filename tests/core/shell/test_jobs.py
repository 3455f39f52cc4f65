"""What a sweep says of its jobs."""

import time

import pytest

from faceport.shell.jobs import Job, _count, _swept, duration, label, read_notes


def job(folder, number: int = 1, total: int | None = 4, begun: float = 0.0) -> Job:
    return Job(number, total, "", None, begun, folder)


def test_a_job_is_called_by_what_tells_it_from_the_others():
    words = ["model=mtcnn", "target=openvino", "target.precision=int8", "batch_size=8", "target.flag=true"]
    keys = ["target", "target.precision", "batch_size", "target.flag"]
    assert label(words, keys) == "openvino int8 batch_size=8 flag=true"
    assert label(words, []) == ""
    assert label(["+target.extra=null"], ["target.extra"]) == "extra=null"


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (["target=a,b", "x=1,2,3", "y=4"], 6),
        (["x=range(1,5)", "y=choice(a,b)"], 8),
        (["metric=[a,b],[c]"], 2),
        (["target=glob(*)"], None),
        (["target=a"], 1),
    ],
)
def test_combinations_are_counted_where_the_words_tell(words, jobs):
    assert _count(_swept(words)) == jobs


def test_words_that_hydra_refuses_are_left_to_it():
    assert _swept(["x=[1,"]) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (62, "62 s"), (150, "2 min"), (3600, "60 min"), (9000, "2.5 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_time_left_is_by_the_jobs_that_really_ran(tmp_path):
    first = job(tmp_path, begun=time.time() - 1200)
    assert first.left() == "", "nobody knows yet"
    first.write({"folder": "a", "kept": True})
    assert first.left() == "", "what is kept takes no time"
    job(tmp_path, 2).write({"folder": "b"})
    assert first.left() == "about 40 min left"
    job(tmp_path, 3).write({"folder": "c"})
    assert first.left() == "about 10 min left"
    job(tmp_path, 4).write({"folder": "d"})
    assert first.left() == ""
    assert [note["folder"] for note in read_notes(tmp_path)] == ["a", "b", "c", "d"]


def test_a_sweeper_that_decides_on_the_way_has_no_total(tmp_path):
    open_end = job(tmp_path, total=None)
    open_end.write({})
    assert (open_end.title, open_end.left()) == ("job 1", "")
    assert job(tmp_path, 3).title == "job 3 of 4"
