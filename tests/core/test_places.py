"""Where may be written: what comes from data stays in its folder, what others own stays as it is."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceport.errors import ConfigError, FaceportError
from faceport.places import (
    LEDGER,
    Outputs,
    OutsideError,
    as_text,
    claimable,
    distinct,
    finished,
    inside,
    replace_folder,
    replaceable,
    replaceable_folder,
)

NAMES = st.text(st.sampled_from("ab./\\\0~:\n\udcff\ud800é"), max_size=12)


@pytest.mark.parametrize("name", ["a.jpg", "a/b.jpg", "./a", "a..b/c", "~x", "a\\b", "ö/\udcff.jpg", "..."])
def test_names_within_a_folder(tmp_path, name):
    assert inside(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/../b", "a/..", "/a", "//a", "a\0b", "\ud800.jpg"])
def test_names_that_lead_out_or_nowhere(tmp_path, name):
    with pytest.raises(OutsideError, match="is no name of a file"):
        inside(tmp_path, name)


@given(NAMES)
def test_no_name_leads_out(name):
    folder = Path("/nowhere/folder")
    try:
        place = inside(folder, name)
    except OutsideError:
        return
    assert Path(os.path.normpath(place)).is_relative_to(folder) and os.path.normpath(place) != str(folder)


@given(
    st.lists(st.text(st.sampled_from("\\x5cfé\udcff\udce9"), max_size=8), min_size=2, max_size=6, unique=True)
)
def test_texts_of_different_names_differ(names):
    texts = [as_text(name) for name in names]
    assert len({*texts}) == len(names)
    for text in texts:
        text.encode()


def test_texts_of_usual_names_are_the_names():
    assert as_text("a/é 1.jpg") == "a/é 1.jpg"
    assert as_text("a\udcff.jpg") == "a\\xff.jpg"
    assert as_text("a\\xff.jpg") == "a\\x5cxff.jpg"
    assert as_text("a\\b.jpg") == "a\\b.jpg"


@given(st.lists(st.sampled_from(["a.jpg", "a-2.jpg", "b/a.jpg", "a", "a-3.jpg"]), max_size=12))
def test_distinct_names(names):
    found = distinct(names)
    assert len({*found}) == len(names)
    for name in {*names}:
        assert found[names.index(name)] == name, "the first of a name keeps it"


def test_distinct_names_are_found_quickly():
    assert distinct(["x/a.jpg"] * 20_000)[-1] == "x/a-20000.jpg"


def test_a_file_of_others_is_not_replaced(tmp_path):
    path = tmp_path / "model.onnx"
    replaceable(path, lambda path: False)
    path.write_text("mine")
    replaceable(path, lambda path: True)
    replaceable(path, lambda path: False, overwrite=True)
    with pytest.raises(ConfigError, match="faceport did not write it.*overwrite=true"):
        replaceable(path, lambda path: False)
    with pytest.raises(ConfigError, match="is a folder"):
        replaceable(tmp_path, lambda path: True, overwrite=True)


def test_a_folder_with_something_in_it_is_not_claimed(tmp_path):
    claimable(tmp_path / "new", lambda folder: False)
    claimable(tmp_path, lambda folder: False)
    (tmp_path / ".env").write_text("secret")
    with pytest.raises(ConfigError, match=r"holds '\.env'.*new or empty"):
        claimable(tmp_path, lambda folder: False)
    claimable(tmp_path, lambda folder: True)
    with pytest.raises(ConfigError, match="is a file"):
        claimable(tmp_path / ".env", lambda folder: True)


def test_a_folder_is_replaced_when_all_in_it_is_ours(tmp_path, monkeypatch):
    folder = tmp_path / "bundle"
    (folder / "networks").mkdir(parents=True)
    (folder / "bundle.json").write_text("old")
    (folder / "networks" / "a").write_text("old")
    owned = {"bundle.json", "networks/a"}
    replaceable_folder(folder, owned)
    (folder / "mine").mkdir()
    replaceable_folder(folder, owned)
    (folder / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(ConfigError, match=r"'mine/thesis\.txt', which faceport did not write"):
        replaceable_folder(folder, owned)
    (folder / "mine" / "thesis.txt").unlink()
    (folder / "mine" / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="'mine/link'"):
        replaceable_folder(folder, owned)
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match="folder that you are in"):
        replaceable_folder(Path(), owned)


@pytest.mark.parametrize("linked", [False, True])
def test_replacing_a_folder(tmp_path, linked):
    for name in ("real", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    folder = tmp_path / "real"
    if linked:
        folder = tmp_path / "link"
        folder.symlink_to("real")
    replace_folder(tmp_path / "new", folder)
    assert (folder / "file").read_text() == "new"
    assert folder.is_symlink() == linked
    assert sorted(path.name for path in tmp_path.iterdir()) == (["link", "real"] if linked else ["real"])


def test_outputs_are_written_over_as_long_as_they_are_ours(tmp_path):
    folder = tmp_path / "out"
    Outputs(folder).write("a/b.jpg", b"first")
    Outputs(folder).write("a/b.jpg", b"second")
    assert (folder / "a" / "b.jpg").read_bytes() == b"second"
    (folder / "a" / "b.jpg").write_bytes(b"retouched by hand")
    with pytest.raises(ConfigError, match=r"b\.jpg is there, .*changed since.*overwrite=true"):
        Outputs(folder).write("a/b.jpg", b"third")
    Outputs(folder, overwrite=True).write("a/b.jpg", b"third")
    assert (folder / "a" / "b.jpg").read_bytes() == b"third"


def test_outputs_of_a_killed_command_are_ours(tmp_path):
    outputs = Outputs(tmp_path)
    outputs.write("a.jpg", b"first")
    outputs._note("a.jpg", "0" * 64)  # killed before the file was renamed
    Outputs(tmp_path).write("a.jpg", b"second")


def test_inputs_are_never_written_over(tmp_path):
    for name in ("p.jpg", "q.jpg"):
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / "link.jpg").symlink_to("p.jpg")
    os.link(tmp_path / "q.jpg", tmp_path / "hard.jpg")
    outputs = Outputs(tmp_path, [tmp_path / "p.jpg", tmp_path / "q.jpg"], overwrite=True)
    for name in ("p.jpg", "q.jpg", "link.jpg", "hard.jpg"):
        with pytest.raises(ConfigError, match="is an input"):
            outputs.check([name])
        with pytest.raises(ConfigError, match="is an input"):
            outputs.write(name, b"theirs")
    assert {path.read_bytes() for path in tmp_path.glob("*.jpg")} == {b"mine"}


def test_predictions_of_another_command_are_not_written_over(tmp_path):
    (tmp_path / "predictions.jsonl").write_text("of a run")
    with pytest.raises(ConfigError, match="faceport did not write it"):
        Outputs(tmp_path).own("predictions.jsonl")
    (tmp_path / "predictions.jsonl").unlink()
    Outputs(tmp_path).own("predictions.jsonl").write_text("ours, bit by bit")
    assert Outputs(tmp_path).own("predictions.jsonl") == tmp_path / "predictions.jsonl"


def test_the_ledger_is_what_sha256sum_checks(tmp_path):
    outputs = Outputs(tmp_path)
    for name in ("a.jpg", "b c/é.jpg", "line\nbreak\\.jpg"):
        outputs.write(name, name.encode())
    try:
        check = ["sha256sum", "--check", "--strict", LEDGER]
        done = subprocess.run(check, cwd=tmp_path, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no sha256sum here")
    assert done.returncode == 0, done.stderr
    assert Outputs(tmp_path)._made == outputs._made


def test_a_file_that_is_not_finished_leaves_nothing(tmp_path):
    with finished(tmp_path / "new" / "a.zip") as temporary:
        temporary.write_bytes(b"whole")
    assert (tmp_path / "new" / "a.zip").read_bytes() == b"whole"
    with (
        pytest.raises(FaceportError, match="no space left"),
        finished(tmp_path / "new" / "a.zip") as temporary,
    ):
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [b"whole"]
