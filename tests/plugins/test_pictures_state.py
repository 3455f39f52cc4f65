"""What is made from pictures is stale once their bytes change: the facts of a dataset tell."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from faceport.data.pictures import is_picture, write_picture
from faceport.data.videos import VideoWriter
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.testing.choices import sample_of, small_options
from faceport.testing.drawn import draw_picture
from tests.cli import faceport

SAMPLED = [name for name, choice in installed().choices("dataset").items() if sample_of(choice)]


def facts(name: str, **options) -> dict:
    return dict(create("dataset", name, **options).facts())


def change(path: Path) -> None:
    """Change the bytes of a file under its name, its size as it was, a moment later."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    later = path.stat().st_mtime_ns + 1_000_000
    path.write_bytes(content)
    os.utime(path, ns=(later, later))


@pytest.mark.parametrize("name", SAMPLED)
def test_other_bytes_under_old_names_are_other_data(name, tmp_path):
    options = small_options(installed().find("dataset", name), tmp_path)
    before = facts(name, **options)
    assert facts(name, **options) == before
    pictures = [path for path in sorted((tmp_path / "sample").rglob("*")) if is_picture(path)]
    change(pictures[0] if pictures else tmp_path / "sample" / "COFW_test_color.mat")
    after = facts(name, **options)
    assert {key for key in before if before[key] != after[key]} == {"pictures_state"}
    (tmp_path / "sample" / "another.jpg").write_bytes(b"no picture of the labels")
    assert facts(name, **options) == after


def test_pictures_that_are_absent_have_a_state_too(tmp_path):
    options = small_options(installed().find("dataset", "wflw"), tmp_path)
    before = facts("wflw", **options)
    shutil.rmtree(tmp_path / "sample" / "WFLW_images")
    assert facts("wflw", **options) == before | {"pictures_state": "absent"}


def test_a_zip_tells_by_its_check_sums_wherever_it_is_copied(tmp_path):
    options = small_options(installed().find("dataset", "widerface"), tmp_path)
    folder = tmp_path / "sample" / "WIDER_val"

    def pack(later: int) -> str:
        with zipfile.ZipFile(tmp_path / "sample" / "WIDER_val.zip", "w") as archive:
            for path in sorted(folder.rglob("*.jpg")):
                archive.write(path, path.relative_to(folder))
        os.utime(tmp_path / "sample" / "WIDER_val.zip", ns=(later, later))
        folder.rename(tmp_path / "aside")
        try:
            return facts("widerface", **options)["pictures_state"]
        finally:
            (tmp_path / "aside").rename(folder)

    before = pack(1)
    assert pack(2) == before
    change(next(iter(sorted(folder.rglob("*.jpg")))))
    assert pack(3) != before


def test_folders_pictures_and_videos(tmp_path):
    for i in range(2):
        write_picture(tmp_path / f"{i}.png", draw_picture(20, 30, i))
    with VideoWriter(tmp_path / "clip.avi") as writer:
        writer.write(draw_picture(48, 64))
    for path, changed in (
        (tmp_path, "1.png"),
        (tmp_path / "0.png", "0.png"),
        (tmp_path / "clip.avi", "clip.avi"),
    ):
        before = facts("folder", path=str(path))
        assert facts("folder", path=str(path)) == before
        change(tmp_path / changed)
        after = facts("folder", path=str(path))
        assert {key for key in before if before[key] != after[key]} == {"pictures_state"}


def test_prepare_does_not_go_on_with_other_pictures(tmp_path):
    (tmp_path / "photos").mkdir()
    write_picture(tmp_path / "photos" / "0.png", draw_picture(20, 30))
    words = ["prepare", "dataset=folder", "dataset.path=photos", "out=out"]
    faceport(*words, folder=tmp_path)
    faceport(*words, folder=tmp_path)
    write_picture(tmp_path / "photos" / "0.png", draw_picture(20, 30, 9))
    said = faceport(*words, folder=tmp_path, code=1)
    assert "out holds what was prepared from other data or options" in said


def test_names_that_are_not_text_and_names_that_spell_such_have_ids_of_their_own(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.png")).touch()
    except OSError as error:
        pytest.skip(f"this file system refuses such names: {error}")
    write_picture(tmp_path / "caf\\xe9.png", draw_picture(20, 30))
    ids = [sample.id for sample in create("dataset", "folder", path=str(tmp_path))]
    assert sorted(ids) == ["caf\\x5cxe9.png", "caf\\xe9.png"]


def test_a_pattern_that_matches_twice_gives_a_picture_once(tmp_path):
    (tmp_path / "a").mkdir()
    write_picture(tmp_path / "a" / "x.png", draw_picture(20, 30))
    samples = list(create("dataset", "folder", path=f"{tmp_path}/**/**/*.png"))
    assert [sample.id for sample in samples] == ["a/x.png"]


@pytest.mark.parametrize(("name", "picture"), [("lfw", "Ann/Ann_0001.jpg"), ("w300", "ibug/one.jpg")])
def test_two_pictures_that_could_be_meant_are_an_error_with_both(name, picture, tmp_path):
    options = small_options(installed().find("dataset", name), tmp_path)
    path = tmp_path / "sample" / picture
    shutil.copy(path, path.with_suffix(".png"))
    with pytest.raises(Exception, match=rf"{path.stem}\.jpg and .*{path.stem}\.png could both be meant"):
        facts(name, **options)
