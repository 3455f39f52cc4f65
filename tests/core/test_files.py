"""Paths as they are typed, files read with bounds, files written whole."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from faceport.errors import ConfigError, FaceportError
from faceport.files import (
    cache_dir,
    disk_errors,
    expand,
    read_file,
    remove_leftovers,
    state_of,
    temporary_beside,
    write_atomically,
)


def test_home_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand("~/a") == tmp_path / "a"
    assert expand("a/~") == Path("a/~")
    assert expand(tmp_path) == tmp_path


def test_a_user_who_does_not_exist_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no user 'nosuchuser'.*\./~nosuchuser"):
        expand("~nosuchuser/data")
    (tmp_path / "~nosuchuser").mkdir()
    assert expand("~nosuchuser/data") == Path("~nosuchuser/data")
    monkeypatch.setenv("FACEPORT_CACHE", "~nosuchother/cache")
    with pytest.raises(ConfigError, match="nosuchother"):
        cache_dir()


@pytest.mark.parametrize("path", ["a\0b", "\0", "a\ud800"])
def test_what_is_no_path_is_a_sentence(path):
    with pytest.raises(ConfigError, match="is no path"):
        expand(path)


def test_names_that_are_not_text_are_paths():
    assert os.fsencode(expand("caf\udce9.jpg")) == b"caf\xe9.jpg"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are for POSIX")
def test_only_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="pipe, a socket or a device"):
            read_file(path)
    opened = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    assert not opened or len(os.listdir("/proc/self/fd")) == opened
    (tmp_path / "file").write_bytes(b"12345")
    assert read_file(tmp_path / "file") == b"12345"
    with pytest.raises(OSError, match="5 bytes, more than the 4"):
        read_file(tmp_path / "file", most=4)


def test_only_leftovers_are_removed(tmp_path):
    mine = [".env.template", "sub/.env.password", ".x.12345678", ".faceport-notes", "a.part"]
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / ".faceport-0123456789ab.part").mkdir()
    left = [temporary_beside(tmp_path / "sub" / name) for name in ("a.jpg", "b", "c.tar.gz")]
    for path in left:
        path.write_text("half")
    remove_leftovers(tmp_path)
    assert not any(path.exists() for path in left)
    assert all((tmp_path / name).exists() for name in mine)


def test_names_as_long_as_may_be_are_written(tmp_path):
    path = tmp_path / ("x" * 251 + ".jpg")
    write_atomically(path, b"1")
    write_atomically(path, "2", durable=True)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["2"]


def test_places_that_cannot_be_are_sentences(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(FaceportError, match="cannot use"):
            write_atomically(path, "text")
    with pytest.raises(ZeroDivisionError), disk_errors(tmp_path):
        _ = 1 / 0


def test_readers_see_one_whole_file_or_the_other(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"0" * 100_000)
    seen = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(50):
        write_atomically(path, str(number % 10).encode() * 100_000)
    done.set()
    thread.join()
    assert all(len(content) == 100_000 and len({*content}) == 1 for content in seen)


def test_the_state_of_a_file(tmp_path):
    path = tmp_path / "a.jpg"
    assert state_of(path) == "absent"
    path.write_bytes(b"one")
    before = state_of(path)
    assert state_of(path) == before
    os.utime(path, ns=(0, 1))
    assert state_of(path) != before


@pytest.mark.skipif(sys.platform == "win32", reason="there, what is begun is told by its age")
def test_what_another_process_writes_is_no_leftover(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from faceport.files import begun\n"
        "with begun(Path('a.mp4')), begun(Path('b'), folder=True): print('x', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.read(1) == b"x"
        remove_leftovers(tmp_path)
        assert len([*tmp_path.iterdir()]) == 2
    finally:
        process.kill()
        process.communicate()
    remove_leftovers(tmp_path)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="Windows syncs names by itself")
def test_what_is_durable_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda number: (done.append(os.readlink(f"/proc/self/fd/{number}")), sync(number))
    )
    monkeypatch.setattr(Path, "replace", lambda self, other: (done.append("renamed"), replace(self, other)))
    write_atomically(tmp_path / "a", "1", durable=True)
    assert len(done) == 3 and done[0].endswith(".part") and done[1:] == ["renamed", str(tmp_path)]
