import multiprocessing
import os
import time

import pytest

from faceport.artifacts.store import Store
from faceport.errors import FaceportError
from faceport.files import disk_errors, write_atomically


def make_with(text, made=None):
    def make(folder):
        if made is not None:
            made.append(text)
        (folder / "data.txt").write_text(text)
        return {"about": text}

    return make


def test_what_was_made_once_is_found_again(tmp_path):
    store, made = Store(tmp_path), []
    first = store.get("artifact", {"a": 1, "b": 2}, make_with("x", made))
    again = store.get("artifact", {"b": 2, "a": 1}, make_with("y", made))
    assert made == ["x"]
    assert first.path == again.path
    assert again.manifest["about"] == "x"
    assert again.manifest["recipe"] == {"a": 1, "b": 2}
    assert store.get("artifact", {"a": 2}, make_with("z", made)).path != first.path


@pytest.mark.parametrize("damage", ["delete", "truncate", "manifest"])
def test_a_damaged_folder_is_made_again(tmp_path, damage):
    store = Store(tmp_path)
    entry = store.get("artifact", {"a": 1}, make_with("whole"))
    victim = entry.path / ("manifest.json" if damage == "manifest" else "data.txt")
    victim.unlink() if damage == "delete" else victim.write_text("{")
    assert (store.get("artifact", {"a": 1}, make_with("whole")).path / "data.txt").read_text() == "whole"


def test_a_failure_leaves_nothing_behind(tmp_path):
    def fail(folder):
        (folder / "half").write_text("half")
        raise RuntimeError("compiler crashed")

    store = Store(tmp_path)
    with pytest.raises(RuntimeError):
        store.get("artifact", {"a": 1}, fail)
    assert store.entries() == []
    assert list((tmp_path / "tmp").iterdir()) == []


def slow_make(root, number, out):
    def make(folder):
        with open(out, "a") as file:
            file.write(f"{number}\n")
        time.sleep(0.2)
        (folder / "data.txt").write_text("whole")

    return Store(root).get("artifact", {"a": 1}, make)


def test_two_processes_make_one_thing_once(tmp_path):
    out = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=slow_make, args=(tmp_path, n, out)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(out.read_text().splitlines()) == 1


def test_prune_removes_what_was_not_used(tmp_path):
    store = Store(tmp_path)
    old = store.get("artifact", {"a": 1}, make_with("old"))
    store.get("artifact", {"a": 2}, make_with("new"))
    os.utime(old.path / "manifest.json", (time.time() - 10 * 86400,) * 2)
    assert [entry.key for entry in store.prune(unused_days=5)] == [old.key]
    assert len(store.entries()) == 1
    store.prune()
    assert store.entries() == []


def test_a_full_disk_is_one_sentence(tmp_path):
    with pytest.raises(FaceportError, match="no space left.*FACEPORT_CACHE"), disk_errors(tmp_path):
        with open("/dev/full", "w") as file:
            file.write("x" * 100000)


def test_an_atomic_write_keeps_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomically(path, "old")

    def full(self, data):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(FaceportError, match="no space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
