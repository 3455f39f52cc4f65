"""What goes wrong on other people's machines, provoked for real: one sentence each, and nothing is lost."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import faceport as package
from faceport.data.pictures import encode, write_picture
from faceport.errors import MissingError
from tests.cli import SMALL, faceport

MODEL = [word for word in SMALL if not word.startswith("dataset")]
MANY = [*SMALL, "model.confidence=0.01"]  # random weights score low; so there are 100 kB for each picture


def one_error(said: str) -> str:
    (line,) = said.splitlines()
    assert line.startswith("error: ")
    return line


# --- a system library that is missing


@pytest.fixture(scope="module")
def no_libgl(tmp_path_factory) -> dict[str, str]:
    """A cv2 that fails as it does on servers and in slim containers."""
    site = tmp_path_factory.mktemp("site")
    (site / "cv2").mkdir()
    why = "libGL.so.1: cannot open shared object file: No such file or directory"
    (site / "cv2" / "__init__.py").write_text(f"raise ImportError({why!r})\n")
    return {"PYTHONPATH": str(site)}


@pytest.mark.parametrize(
    "words",
    [["run", *SMALL], ["predict", "photo.png", *MODEL], ["export", *MODEL], ["doctor", "dataset=wflw"]],
    ids=lambda words: words[0],
)
def test_opencv_without_its_libraries_is_one_sentence(words, no_libgl, tmp_path):
    (tmp_path / "photo.png").write_bytes(encode(np.zeros((8, 8, 3), np.uint8), ".png"))
    said = faceport(*words, folder=tmp_path, code=1, **no_libgl)
    if words[0] == "doctor":
        (line,) = re.findall(r"^    .*'wflw'.*$", said, re.MULTILINE)
    else:
        line = one_error(said)
    assert line.count("OpenCV cannot load a system library (libGL.so.1: cannot open") == 1
    assert "apt-get install libgl1" in line
    assert "pip install opencv-python-headless" in line


@pytest.mark.parametrize("words", [["list"], ["list", "model=facenet"], ["--help"], ["cache", "list"]])
def test_what_needs_no_opencv_works_without_it(words, no_libgl, tmp_path):
    said = faceport(*words, folder=tmp_path, **no_libgl)
    assert "libGL" not in said
    assert len(said.splitlines()) >= 1


# --- a dataset that is missing

PUBLISHED = ["aflw", "cofw", "lapa", "lfw", "w300", "wflw", "widerface"]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("kind", ["nowhere", "empty"])
def test_a_missing_dataset_says_where_to_get_it_its_licence_and_where_to_put_it(name, kind, tmp_path):
    root = tmp_path / kind
    if kind == "empty":
        root.mkdir()
    dataset = package.create("dataset", name, root=str(root))
    with pytest.raises(MissingError) as caught:
        dataset.facts()
    sentence = str(caught.value)
    assert re.match(rf"there is no .*{kind}", sentence)
    assert re.search(r"https?://\S+\.\w+/", sentence), "where to get it"
    assert "research only" in sentence, "its licence"
    assert re.search(r"say dataset\.root=(FOLDER|\w+\.zip)", sentence), "where to put it"


def test_a_run_on_a_missing_dataset_is_one_sentence(tmp_path):
    said = faceport("run", *MODEL, "dataset=widerface", "dataset.root=/nowhere", folder=tmp_path, code=1)
    assert "there is no /nowhere" in one_error(said)
    assert not list(tmp_path.glob("runs/*/predictions.jsonl"))
    assert not list(tmp_path.glob("cache/artifact/*")), "found before anything is compiled"


# --- pictures that cannot be read


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    write_picture(folder / "a.png", noise)
    (folder / "b_empty.jpg").touch()
    (folder / "c_half.jpg").write_bytes(encode(noise)[:2000])
    (folder / "d_text.jpg").write_text("<html>404</html>")
    write_picture(folder / "e.jpg", noise)
    return folder


STRICT = ["strict=true", "workers=1"]  # of several threads any could be the first to find one
REASONS = {
    "b_empty.jpg": "the file is empty (0 bytes)",
    "c_half.jpg": "damaged or truncated (2000 bytes)",
    "d_text.jpg": "not a picture that OpenCV can read",
}


def lines_of(path: Path) -> dict[str, dict]:
    return {line["id"]: line for line in map(json.loads, path.read_text().splitlines())}


def test_a_run_counts_and_names_what_it_cannot_read_and_goes_on(pictures, tmp_path):
    words = ["run", *MODEL, "dataset=folder", f"dataset.path={pictures}"]
    said = faceport(*words, "record=record.json", folder=tmp_path, code=1)
    assert "3 pictures could not be read:" in said
    record = json.loads((tmp_path / "record.json").read_text())
    samples, timing = record["samples"], record["timing"]
    assert (samples["total"], samples["predicted"], samples["unreadable"]) == (5, 2, 3)
    assert timing["samples"] == 2, "pictures that were never read are no speed"
    assert timing["samples_per_second"] == pytest.approx(2 / timing["seconds"], rel=1e-3)
    found = lines_of(next(tmp_path.glob("runs/*/predictions.jsonl")))
    assert list(found) == sorted(path.name for path in pictures.iterdir())
    for name, reason in REASONS.items():
        assert reason in found[name]["error"]
        assert reason in samples["unreadable_named"][name]
        assert f"{name}: " in said
        assert reason in said


def test_a_strict_run_stops_at_what_it_cannot_read_and_goes_on_when_it_is_mended(pictures, tmp_path):
    words = ["run", *MODEL, "dataset=folder", f"dataset.path={pictures}", *STRICT]
    line = one_error(faceport(*words, folder=tmp_path, code=1))
    assert re.search(r"b_empty\.jpg: the file is empty .*strict=true", line)
    assert not list(tmp_path.glob("runs/*/record.json"))
    for name in REASONS:
        shutil.copyfile(pictures / "e.jpg", pictures / name)
    faceport(*words, folder=tmp_path)
    found = lines_of(next(tmp_path.glob("runs/*/predictions.jsonl")))
    assert len(found) == 5
    assert not [line for line in found.values() if "error" in line]


def test_predict_names_what_it_cannot_read_and_draws_the_others(pictures, tmp_path):
    said = faceport("predict", str(pictures), *MODEL, "out=seen", folder=tmp_path)
    assert said.count("not read: ") == 3
    assert re.search(r"faces? in 2 pictures, .*: seen", said)
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == [
        ".faceport.sha256",
        "a.png",
        "e.jpg",
        "predictions.jsonl",
    ]
    assert lines_of(tmp_path / "seen" / "predictions.jsonl").keys() >= REASONS.keys()


def test_predict_fails_when_nothing_could_be_read_or_it_must_be_strict(pictures, tmp_path):
    said = faceport("predict", str(pictures / "b_empty.jpg"), *MODEL, folder=tmp_path, code=1)
    assert "not read: " in said
    said = faceport("predict", str(pictures), *MODEL, *STRICT, folder=tmp_path, code=1)
    assert "b_empty.jpg: the file is empty (0 bytes) (strict=true stops at it)" in one_error(said)


# --- a disk that is full


def on_a_small_disk(folder: Path, script: str) -> str:
    """Run a script of commands with a disk of its own at ./disk, which nobody else sees; give its output."""
    fence = ["unshare", "--user", "--map-root-user", "--mount"]
    mount = "mount -t tmpfs -o size=400k none disk"
    (folder / "disk").mkdir(exist_ok=True)
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare here to make a small disk with")
    allowed = subprocess.run([*fence, "sh", "-c", mount], cwd=folder, capture_output=True, check=False)
    if allowed.returncode:
        pytest.skip(f"making a small disk is not allowed here: {allowed.stderr.decode().strip()}")
    program = f'set -u; faceport() {{ {sys.executable} -m faceport "$@" 2>&1; echo "exit code: $?"; }}'
    done = subprocess.run(
        [*fence, "bash", "-c", f"{program}; {mount}; {script}"],
        cwd=folder,
        env={**os.environ, "FACEPORT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "Traceback" not in done.stdout
    return done.stdout


def test_a_run_on_a_full_disk_keeps_whole_lines_and_goes_on_when_there_is_space(tmp_path):
    words = " ".join(["run", *MANY, "dataset.count=12"])
    said = on_a_small_disk(
        tmp_path,
        f"""
faceport {words} out=disk
cp -r disk full
mount -o remount,size=20m disk
faceport {words} out=disk
cp -r disk done
faceport {words} out=whole
""",
    )
    first, second, _ = re.split(r"exit code: \d\n", said)[:3]
    assert re.findall(r"exit code: (\d)", said) == ["1", "0", "0"]
    assert re.match(r"error: no space left on the disk that holds disk/.*predictions\.jsonl", first)
    (full,) = tmp_path.glob("full/*/predictions.jsonl")
    kept = full.read_bytes()
    assert kept.endswith(b"\n")
    count = len(lines_of(full))
    assert 1 <= count < 12
    assert not (full.parent / "record.json").exists()
    assert f"{count} of 12 pictures were done before and kept" in second
    (done,), (whole,) = tmp_path.glob("done/*/predictions.jsonl"), tmp_path.glob("whole/*/predictions.jsonl")
    assert done.read_bytes() == whole.read_bytes()


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    for name in ("a.png", "b.png"):  # 360 kB each: noise cannot be compressed
        write_picture(tmp_path / name, noise)
    said = on_a_small_disk(
        tmp_path,
        f"""
faceport compile {" ".join(MODEL)} out=disk/board
echo left: $(ls -A disk)
faceport predict a.png b.png {" ".join(MODEL)} out=disk
echo left: $(ls -A disk)
rm -r disk/* disk/.faceport.sha256
FACEPORT_CACHE=disk faceport export {" ".join(MODEL)} out=elsewhere
echo left: $(find disk -type f -not -name '*.lock' -not -path '*/composed/*')
""",
    )
    errors = [
        "no space left on the disk that holds disk/board;",
        "no space left on the disk that holds disk/b.png;",
        "no space left on the disk that holds disk;",
    ]
    found = re.findall(r"^error: (.*)", said, re.MULTILINE)
    assert [line[: len(error)] for line, error in zip(found, errors, strict=True)] == errors
    assert re.findall(r"^left: ?(.*)$", said, re.MULTILINE) == [
        "",
        ".faceport.sha256 a.png predictions.jsonl",
        "",
    ]


# --- folders that one must not write to


def as_nobody_special() -> list[str]:
    """Give the prefix of a command without root's right to write everywhere."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and there is no setpriv here to give that up")
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]


@pytest.fixture
def locked(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


def refused(*words: str, folder: Path, code: int, **environment: str) -> str:
    done = subprocess.run(
        [*as_nobody_special(), sys.executable, "-m", "faceport", *words],
        cwd=folder,
        env={**os.environ, "FACEPORT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["run", *SMALL, "dataset.count=1", "out=locked"],
        ["predict", "photo.png", *MODEL, "out=locked"],
        ["compile", *MODEL, "out=locked/board"],
        ["export", *MODEL, "out=locked/onnx"],
    ],
    ids=lambda words: words[0],
)
def test_a_folder_without_write_permission_is_named_with_the_cure(words, locked, tmp_path):
    write_picture(tmp_path / "photo.png", np.zeros((60, 80, 3), np.uint8))
    line = one_error(refused(*words, folder=tmp_path, code=1))
    assert re.search(
        r"cannot write to locked\S*: Permission denied\. Set .* out= .* folder that you own", line
    )
    assert not list(locked.iterdir())


def test_a_store_without_write_permission_is_named_and_list_works(locked, tmp_path):
    line = one_error(refused("run", *SMALL, folder=tmp_path, code=1, FACEPORT_CACHE="locked/cache"))
    assert "cannot write to locked/cache: Permission denied. Set FACEPORT_CACHE" in line
    said = refused("list", folder=tmp_path, code=0, FACEPORT_CACHE="locked/cache")
    assert "error:" not in said
    assert "retinaface_mobilenet" in said


def test_a_picture_that_one_must_not_read_is_counted(pictures, tmp_path):
    (pictures / "a.png").chmod(0)
    words = ["run", *MODEL, "dataset=folder", f"dataset.path={pictures}"]
    said = refused(*words, folder=tmp_path, code=1)
    assert "4 pictures could not be read:" in said
    assert "a.png: cannot be read: Permission denied" in said
