"""One run over many workers: they die, stop and are refused, and the file of predictions stays the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from faceport.errors import FaceportError
from faceport_scale.dispatch import Dispatch
from faceport_scale.pool import MISTAKE, Pool, Processes, Work
from tests.cli import SMALL, faceport, start

KILLS = int(os.environ.get("FACEPORT_WORKER_KILLS", "2"))
RUN = [*SMALL, "model.confidence=0.01", "dataset.size=[120,160]", "dataset.count=60"]
SPREAD = ["spread", *RUN, "shards=4", "processes=2"]


class Written(Work):
    """A worker whose end is written down before it begins."""

    def __init__(self, *codes: int | None) -> None:
        self.codes = list(codes)
        self.stopped = False

    def code(self) -> int | None:
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]

    def stop(self) -> None:
        self.stopped = True

    def reason(self) -> str:
        return "it was written"


class Paper(Pool):
    """Places without processes."""

    places = ("left", "right")

    def start(self, config: object, place: object, log: Path) -> Work:
        raise AssertionError


def dispatched(ends: dict[int, list[Written]], **options: float) -> tuple[Dispatch, list[tuple[int, int]]]:
    """Give out shards whose workers end as written; list what was begun."""
    begun: list[tuple[int, int]] = []
    dispatch = Dispatch(Paper(), len(ends), **{"attempts": 3, "straggler": 4.0, "least": 0.0, **options})

    def begin(shard: int, copy: int, place: object) -> Work:
        begun.append((shard, copy))
        return ends[shard].pop(0)

    assert sorted(dispatch.run(begin)) == sorted(ends)
    return dispatch, begun


def test_the_shard_of_a_dead_worker_goes_on_with_another():
    dispatch, begun = dispatched({1: [Written(0)], 2: [Written(-9), Written(0)], 3: [Written(0)]})
    assert begun.count((2, 0)) == 2
    assert dispatch.copies == {1: 0, 2: 0, 3: 0}
    assert dispatch.notes == ["shard 2 went on with another worker: it was written"]


def test_a_straggler_is_begun_a_second_time_and_the_first_to_end_counts():
    slow = Written(None)
    dispatch, begun = dispatched({1: [Written(0)], 2: [slow, Written(None, 0)]}, straggler=1.01)
    assert begun == [(1, 0), (2, 0), (2, 1)]
    assert dispatch.copies == {1: 0, 2: 1}
    assert slow.stopped


def test_a_shard_is_not_begun_for_ever_and_nobody_is_left_working():
    busy = Written(None)
    with pytest.raises(FaceportError, match=r"shard 1 was lost 2 times.* attempts=N"):
        dispatched({1: [Written(-9), Written(-9)], 2: [busy]}, attempts=2)
    assert busy.stopped


def test_what_a_worker_was_refused_no_other_is_given():
    with pytest.raises(FaceportError, match="^it was written$"):
        dispatched({1: [Written(MISTAKE)], 2: [Written(None)]})


def test_processors_are_shared_out():
    places = Processes(2).places
    assert len(places) == 2
    assert all(places)
    if len(os.sched_getaffinity(0)) > 1:
        assert not set(places[0]) & set(places[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run on one machine, and give the folder; its store serves the others."""
    folder = tmp_path_factory.mktemp("whole")
    faceport("run", *RUN, "out=out", folder=folder)
    return folder


def outcome(folder: Path) -> tuple[bytes, dict]:
    (run,) = folder.glob("out/*/predictions.jsonl")
    return run.read_bytes(), json.loads((run.parent / "record.json").read_text())


def workers_of(pid: int) -> list[int]:
    """List the worker processes of a process."""
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in done.stdout.split()]


def store(whole: Path) -> dict[str, str]:
    return {"FACEPORT_CACHE": str(whole / "cache")}


def has_begun(folder: Path) -> bool:
    """Tell whether some shard has predictions, but not all of its pictures'."""
    return any(path.stat().st_size for path in folder.glob("out/*/shards/*/*/predictions.jsonl"))


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_worker_changes_no_byte(number: int, whole: Path, tmp_path: Path):
    process = start(*SPREAD, "out=out", folder=tmp_path, **store(whole))
    deadline = time.monotonic() + 60
    while not has_begun(tmp_path) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    rng = random.Random(number)
    time.sleep(rng.uniform(0, 0.2))
    victims = workers_of(process.pid)
    assert victims, "the spread was over before a worker could be killed"
    os.kill(rng.choice(victims), signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    predictions, record = outcome(tmp_path)
    wanted, one = outcome(whole)
    assert predictions == wanted
    assert record["metrics"] == one["metrics"]
    assert [part["part"] for part in record["parts"]] == ["1/4", "2/4", "3/4", "4/4"]
    assert any("another worker: its worker was ended by signal 9" in note for note in record["notes"])


@pytest.mark.slow
def test_the_same_command_goes_on_where_all_were_killed(whole: Path, tmp_path: Path):
    process = start(*SPREAD, "out=out", folder=tmp_path, **store(whole))
    while not has_begun(tmp_path) and process.poll() is None:
        time.sleep(0.005)
    left = workers_of(process.pid)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in left) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in left), "workers end with whoever sent them"
    faceport(*SPREAD, "out=out", folder=tmp_path, **store(whole))
    assert outcome(tmp_path)[0] == outcome(whole)[0]


def test_what_cannot_work_is_one_sentence(whole: Path, tmp_path: Path):
    said = faceport(*SPREAD, "attempts=0", "out=out", folder=tmp_path, code=1, **store(whole))
    assert "attempts is 0, it must be at least 1" in said
    said = faceport("spread", *SMALL, "shards=2", "straggler=1", folder=tmp_path, code=1, **store(whole))
    assert "straggler is 1" in said
