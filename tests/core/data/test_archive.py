"""Folders, zips and tars read alike."""

import io
import os
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faceport.data import unpacking
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


# Archives that are made to do harm


def zip_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def changed(path: Path, signature: bytes, offset: int, value: bytes) -> Path:
    """Change bytes of every header of a zip that begins with a signature."""
    content = bytearray(path.read_bytes())
    at = content.find(signature)
    while at >= 0:
        content[at + offset : at + offset + len(value)] = value
        at = content.find(signature, at + 4)
    path.write_bytes(content)
    return path


LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpacking, "UNSUSPICIOUS", 1 << 20)
    path = zip_of(tmp_path / "bomb.zip", a=b"\0" * (3 << 20), b=b"\0" * (1 << 20))
    archive = open_archive(path)
    with pytest.raises(OSError, match=r"a in .*bomb\.zip would grow from .* as only a zip bomb does"):
        archive.read("a")
    assert len(archive.read("b")) == 1 << 20, "small enough to do no harm"
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1000)
    with pytest.raises(OSError, match="more than the 1,000 that are read"):
        archive.read("b")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_tar_bomb_is_not_unpacked(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpacking, "UNSUSPICIOUS", 1 << 20)
    path = tmp_path / "bomb.tar"
    with tarfile.open(path, mode) as archive:
        for i in range(3):  # each is small enough, all together are not
            info = tarfile.TarInfo(f"{i}.jpg")
            info.size = 1 << 19
            archive.addfile(info, io.BytesIO(b"\0" * (1 << 19)))
    with pytest.raises(FaceportError, match=r"bomb\.tar.*as only a zip bomb does"):
        open_archive(path)


def test_a_tar_whose_name_is_gigabytes_long(tmp_path: Path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 7 << 30
    path = tmp_path / "long.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 1024)
    with pytest.raises(FaceportError, match=r"long\.tar is damaged: a piece of .* bytes is asked for"):
        open_archive(path)


def test_encrypted_files_are_named(tmp_path: Path):
    path = zip_of(tmp_path / "locked.zip", a=b"1" * 100)
    changed(changed(path, LOCAL, 6, b"\1\0"), CENTRAL, 8, b"\1\0")
    with pytest.raises(OSError, match=r"a is encrypted in .*locked\.zip: unpack it with its password"):
        open_archive(path).read("a")


def test_unknown_compression_is_named(tmp_path: Path):
    path = zip_of(tmp_path / "odd.zip", a=b"1" * 100)
    changed(changed(path, LOCAL, 8, b"\x63\0"), CENTRAL, 10, b"\x63\0")
    with pytest.raises(OSError, match=r"a is damaged in .*odd\.zip, or packed in an unknown way"):
        open_archive(path).read("a")


def test_empty_names_are_passed_over(tmp_path: Path):
    path = tmp_path / "empty.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("b", b"2")
    content = path.read_bytes()
    at = content.index(CENTRAL)
    path.write_bytes(content[:at] + content[at:].replace(b"a", b"", 1).replace(b"\1\0\0\0", b"\0\0\0\0", 1))
    try:
        assert "" not in open_archive(path).names()
    except FaceportError as error:
        assert "is damaged" in str(error)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_an_error(tmp_path: Path):
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"1")
        archive.writestr("a.txt", b"2")
    with pytest.raises(FaceportError, match=r"two\.zip is damaged: two files in it are called a\.txt"):
        open_archive(path)


def test_names_that_lead_out_of_a_folder_are_not_read(tmp_path: Path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "data").mkdir()
    folder = open_archive(tmp_path / "data")
    for name in ("../secret.txt", str(tmp_path / "secret.txt"), "a\0b", "x/../../secret.txt"):
        assert name not in folder
        with pytest.raises(OSError, match="is no name of a file within"):
            folder.read(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are for POSIX")
def test_pipes_are_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert "pipe" not in open_archive(tmp_path)
    with pytest.raises(OSError, match="pipe, a socket or a device"):
        open_archive(tmp_path).read("pipe")
    with pytest.raises(MissingError, match="pipe or a device"):
        open_archive(tmp_path / "pipe")


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_the_state_tells_other_bytes_under_old_names(tmp_path: Path, kind: str):
    def make(content: bytes, time: int) -> str:
        folder = tmp_path / "folder"
        folder.mkdir(exist_ok=True)
        for name in ("a.jpg", "b.jpg"):
            (folder / name).write_bytes(content if name == "a.jpg" else b"same")
            os.utime(folder / name, ns=(time, time))
        place = folder if kind == "folder" else tmp_path / f"files.{kind}"
        if kind == "zip":
            zip_of(place, **{path.name: path.read_bytes() for path in sorted(folder.iterdir())})
        if kind == "tar":
            with tarfile.open(place, "w") as archive:
                archive.add(folder, ".")
            os.utime(place, ns=(time, time))
        return open_archive(place).state(["a.jpg", "b.jpg", "absent.jpg"])

    before = make(b"one", 1)
    assert make(b"one", 1) == before
    assert make(b"two", 2) != before
    assert open_archive(tmp_path / "folder").state(["b.jpg"]) != open_archive(tmp_path / "folder").state([])
