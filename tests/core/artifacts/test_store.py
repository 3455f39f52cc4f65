import multiprocessing
import os
import time
from pathlib import Path

import pytest
from filelock import FileLock

from faceport.artifacts.store import Store
from faceport.artifacts.usage import MAX_SIZE, size_in_bytes
from faceport.errors import ConfigError, FaceportError
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


def test_anew_means_made_once_more_by_each_store_and_no_more(tmp_path):
    made = []
    Store(tmp_path).get("artifact", {"a": 1}, make_with("old", made))
    store = Store(tmp_path, fresh=True)
    for _ in range(2):
        entry = store.get("artifact", {"a": 1}, make_with("new", made))
        assert (entry.path / "data.txt").read_text() == "new"
    assert made == ["old", "new"]
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_what_a_killed_process_began_is_removed_by_the_next_and_what_is_at_work_is_not(tmp_path):
    store = Store(tmp_path)
    for key in ("0" * 32, "1" * 32):
        (tmp_path / "tmp" / f"artifact-{key}-12345678").mkdir(parents=True)
    (tmp_path / "locks").mkdir()
    with FileLock(tmp_path / "locks" / f"artifact-{'1' * 32}.lock"):
        store.get("onnx", {"a": 1}, make_with("x"))
        assert [path.name for path in (tmp_path / "tmp").iterdir()] == [f"artifact-{'1' * 32}-12345678"]
    store.prune()
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_what_a_killed_process_began_is_removed_by_whoever_makes_the_same(tmp_path):
    entry = Store(tmp_path).get("artifact", {"a": 1}, make_with("one"))
    begun = tmp_path / "tmp" / f"artifact-{entry.key}-00000000"
    begun.mkdir(parents=True)
    (begun / "model.onnx").write_text("half")
    Store(tmp_path, fresh=True).get("artifact", {"a": 1}, make_with("two"))
    assert not begun.exists()


def test_the_store_is_bounded_but_what_is_in_use_stays(tmp_path, monkeypatch):
    other = Store(tmp_path)
    used = other.get("artifact", {"a": 0}, make_with("x" * 100))
    old = Store(tmp_path).get("artifact", {"a": 1}, make_with("x" * 100))
    for number, entry in enumerate((used, old)):
        os.utime(entry.path / "manifest.json", (number, number))
    monkeypatch.setenv(MAX_SIZE, "250")
    new = Store(tmp_path).get("artifact", {"a": 2}, make_with("x" * 100))
    assert {entry.key for entry in other.entries()} == {used.key, new.key}
    assert Store(tmp_path).prune() == [new]  # `other` reads the first one still
    assert Store(tmp_path).trim(0) == []
    del other
    assert Store(tmp_path).trim(0) == [used]


@pytest.mark.parametrize(
    ("text", "size"), [("5GB", 5 * 10**9), ("1.5 mb", 1_500_000), ("7", 7), ("2k", 2000)]
)
def test_sizes(text, size):
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1e9", "GB", "5PB", "nan"])
def test_what_is_no_size_is_a_sentence(text):
    with pytest.raises(ConfigError, match="is no size"):
        size_in_bytes(text)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="only Linux tells which file a number is")
def test_an_entry_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done, sync = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda n: (done.append(Path(os.readlink(f"/proc/self/fd/{n}"))), sync(n))
    )
    entry = Store(tmp_path).get("artifact", {"a": 1}, make_with("x"))
    assert {"data.txt", "manifest.json"} <= {path.name for path in done if path.parents[1].name == "tmp"}
    assert done[-1] == entry.path.parent
