"""Folders, zips and tars read alike."""

import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faceport.data.archive import open_archive, open_root
from faceport.errors import FaceportError, MissingError

FILES = {"a/one.txt": b"1" * 10_000, "a/b/two.txt": b"2" * 20_000, "three.txt": b""}


@pytest.fixture(params=["folder", "files.zip", "files.tar", "files.tar.gz"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / "folder"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    path = tmp_path / request.param
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in FILES:
                archive.write(folder / name, name)
    elif path.name.startswith("files.tar"):
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
            archive.add(folder, "./")
    return path


def test_names_and_contents(place: Path):
    archive = open_archive(place)
    assert sorted(archive.names()) == sorted(FILES)
    assert all(archive.read(name) == content for name, content in FILES.items())
    assert "a/one.txt" in archive
    assert "a" not in archive
    with pytest.raises(OSError, match="nothing"):
        archive.read("nothing.txt")


def test_folder_within(place: Path):
    archive = open_archive(place).within("a")
    assert sorted(archive.names()) == ["b/two.txt", "one.txt"]
    assert archive.read("one.txt") == FILES["a/one.txt"]
    assert "one.txt" in archive
    assert archive.within("b").read("two.txt") == FILES["a/b/two.txt"]
    assert archive.within("c") is None


@pytest.mark.parametrize("packed", ["a.zip", "a.tar", "a.tgz"])
@pytest.mark.parametrize("top", ["", "a/"])
def test_folder_that_is_still_packed(tmp_path: Path, packed: str, top: str):
    if packed.endswith("zip"):
        with zipfile.ZipFile(tmp_path / packed, "w") as archive:
            archive.writestr(f"{top}x/one.txt", b"1")
            archive.writestr(f"{top}y/two.txt", b"2")
    else:
        with tarfile.open(tmp_path / packed, "w:gz" if packed.endswith("gz") else "w") as archive:
            for name, content in (("x/one.txt", b"1"), ("y/two.txt", b"2")):
                info = tarfile.TarInfo(top + name)
                info.size = 1
                archive.addfile(info, io.BytesIO(content))
    found = open_root(tmp_path).within("a")
    assert list(found.names()) == ["x/one.txt", "y/two.txt"]
    assert found.read("y/two.txt") == b"2"


def test_threads_do_not_mix_files_up(place: Path):
    archive = open_archive(place)
    names = list(FILES) * 30
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(archive.read, names)) == [FILES[name] for name in names]


def test_damaged_member_is_an_os_error(tmp_path: Path):
    path = tmp_path / "files.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.txt", b"1" * 1000)
    path.write_bytes(path.read_bytes().replace(b"1" * 1000, b"1" * 999 + b"2"))
    with pytest.raises(OSError, match=r"one\.txt is damaged in"):
        open_archive(path).read("one.txt")


def test_what_is_no_archive(tmp_path: Path):
    with pytest.raises(MissingError, match="neither a folder nor an archive"):
        open_archive(tmp_path / "nothing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(FaceportError, match="neither a folder nor a zip nor a tar"):
        open_archive(tmp_path / "text")
