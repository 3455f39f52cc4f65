"""The commands, pointed at folders where something is to be lost: nothing is."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from faceport.data.pictures import write_picture
from faceport.data.videos import VideoWriter, probe_video
from faceport.runs.folder import alone_in
from faceport.testing.drawn import draw_picture
from faceport.types import Faces, Prediction
from faceport_pairs.dataset import Pairs, PairsOptions
from faceport_widerface_dataset.predictions import write_predictions
from tests.cli import faceport, start

MODEL = [
    "model=retinaface_mobilenet",
    "model.weights=random",
    "model.size=64",
    "model.pad=square",
    "parity=1",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A folder whose store is warm, so that each command compiles nothing."""
    folder = tmp_path_factory.mktemp("work")
    write_picture(folder / "warm.png", draw_picture(60, 80))
    faceport("predict", "warm.png", *MODEL, "out=warm", folder=folder)
    return folder


@pytest.fixture
def photos(work, request) -> Path:
    folder = work / request.node.name
    folder.mkdir()
    for name in ("p.jpg", "q.jpg"):
        write_picture(folder / name, draw_picture(60, 80, len(name)))
    with VideoWriter(folder / "v.mp4") as writer:
        for seed in range(4):
            writer.write(draw_picture(48, 64, seed))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def predict(*words: str, work: Path, folder: Path, code: int = 0) -> str:
    return faceport("predict", *words, *MODEL, folder=folder, code=code, FACEPORT_CACHE=str(work / "cache"))


@pytest.mark.parametrize(
    "words",
    [
        ("p.jpg", "out=."),
        (".", "out=."),
        ("v.mp4", "out=."),
        ("../PHOTOS", "out=."),
        ("p.jpg", "out=.", "overwrite=true"),
    ],
)
def test_predict_never_writes_over_its_inputs(work, photos, words):
    before = contents(photos)
    words = [word.replace("PHOTOS", photos.name) for word in words]
    said = predict(*words, work=work, folder=photos, code=1)
    assert "is an input, and its result would be written over it" in said
    assert contents(photos) == before


def test_predict_writes_over_nothing_but_its_own(work, photos):
    (photos / "out").mkdir()
    shutil.copy(photos / "q.jpg", photos / "out" / "p.jpg")
    mine = (photos / "out" / "p.jpg").read_bytes()
    said = predict("p.jpg", "out=out", work=work, folder=photos, code=1)
    assert "out/p.jpg is there, and faceport did not write it" in said and "overwrite=true" in said
    assert contents(photos / "out") == {"p.jpg": mine}
    predict("p.jpg", "out=out", "overwrite=true", work=work, folder=photos)
    assert (photos / "out" / "p.jpg").read_bytes() != mine
    first = contents(photos / "out")
    predict("p.jpg", "out=out", work=work, folder=photos)
    assert contents(photos / "out") == first


def test_predictions_of_a_run_are_not_lost_to_predict(work, photos):
    (photos / "run").mkdir()
    (photos / "run" / "predictions.jsonl").write_text('{"id": "a"}\n')
    said = predict("p.jpg", "out=run", work=work, folder=photos, code=1)
    assert "run/predictions.jsonl is there, and faceport did not write it" in said
    assert (photos / "run" / "predictions.jsonl").read_text() == '{"id": "a"}\n'


def test_videos_of_one_name_get_names_of_their_own(work, photos):
    for name in ("a", "b"):
        (photos / name).mkdir()
    shutil.move(photos / "v.mp4", photos / "a" / "v.mp4")
    with VideoWriter(photos / "b" / "v.avi") as writer:
        for seed in range(7):
            writer.write(draw_picture(48, 64, seed))
    predict("a/v.mp4", "b/v.avi", "p.jpg", "b/../p.jpg", "out=out", work=work, folder=photos)
    assert {"v.mp4", "v-2.mp4", "p.jpg", "p-2.jpg"} <= contents(photos / "out").keys()
    assert [probe_video(photos / "out" / name).frames for name in ("v.mp4", "v-2.mp4")] == [4, 7]
    lines = (photos / "out" / "predictions.jsonl").read_text().splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len({*ids}) == len(ids) == 13
    assert "v.mp4#000000" in ids and "v-2.avi#000006" in ids


def test_names_that_are_not_text_are_predicted(work, photos):
    name = os.fsencode(photos) + b"/caf\xe9.jpg"
    try:
        shutil.copy(os.fsencode(photos / "p.jpg"), name)
    except OSError as error:
        pytest.skip(f"this file system refuses such names: {error}")
    shutil.copy(photos / "p.jpg", photos / "caf\\xe9.jpg")
    predict(".", "out=out", work=work, folder=photos)
    lines = (photos / "out" / "predictions.jsonl").read_text().splitlines()
    ids = {json.loads(line)["id"] for line in lines}
    assert ids == {"caf\\xe9.jpg", "caf\\x5cxe9.jpg", "p.jpg", "q.jpg"}
    assert ids <= contents(photos / "out").keys()


def test_an_interrupted_video_plays(work, photos):
    with VideoWriter(photos / "long.mp4") as writer:
        for seed in range(600):
            writer.write(draw_picture(240, 320, seed % 5))
    words = ["predict", "long.mp4", *MODEL, "out=out", "workers=1"]
    process = start(*words, folder=photos, FACEPORT_CACHE=str(work / "cache"))
    lines = photos / "out" / "predictions.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not lines.is_file() or lines.read_bytes().count(b"\n") < 20):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode != 0
    done = lines.read_bytes().count(b"\n")
    assert 20 <= done < 600
    assert done <= probe_video(photos / "out" / "long.mp4").frames <= done + 1
    assert {*contents(photos / "out")} == {".faceport.sha256", "long.mp4", "predictions.jsonl"}


def compile_(*words: str, work: Path, folder: Path, code: int = 0) -> str:
    return faceport("compile", *MODEL, *words, folder=folder, code=code, FACEPORT_CACHE=str(work / "cache"))


def test_compile_removes_nothing_but_a_bundle(work, photos):
    compile_("out=board", work=work, folder=photos)
    compile_("out=board", work=work, folder=photos)
    (photos / "board" / "mine").mkdir()
    (photos / "board" / "mine" / "thesis.txt").write_text("years of work")
    before = contents(photos)
    said = compile_("out=board", work=work, folder=photos, code=1)
    assert "board holds 'mine/thesis.txt', which faceport did not write there" in said
    (photos / "empty").mkdir()
    said = compile_("out=.", work=work, folder=photos / "empty", code=1)
    assert "is the folder that you are in" in said
    assert contents(photos) == before


def prepare(*words: str, folder: Path, code: int = 0) -> str:
    return faceport("prepare", *words, folder=folder, code=code)


def test_prepare_removes_nothing(tmp_path):
    mine = {"sub/.env.password": "secret", ".env.template": "x", "notes.txt": "y"}
    for name, text in mine.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(text)
    drawn = ["dataset=synthetic", "dataset.count=2", "dataset.size=[64,64]", "size=32"]
    said = prepare(*drawn, "out=out", folder=tmp_path, code=1)
    assert "which faceport did not write: choose a folder that is new or empty" in said
    assert contents(tmp_path / "out") == {name: text.encode() for name, text in mine.items()}
    prepare(*drawn, "out=new", folder=tmp_path)
    for name, text in mine.items():  # put there afterwards, it stays, too
        (tmp_path / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "new" / name).write_text(text)
    (tmp_path / "new" / ".folder.12345678").mkdir()
    prepare(*drawn, "out=new", folder=tmp_path)
    assert all((tmp_path / "new" / name).read_text() == text for name, text in mine.items())


def test_two_prepare_into_one_folder_do_not_mix(tmp_path):
    words = ["prepare", "dataset=synthetic", "dataset.count=60", "dataset.size=[96,96]", "size=32", "out=out"]
    both = [start(*words, folder=tmp_path) for _ in range(2)]
    said = ["".join(process.communicate(timeout=300)) for process in both]
    codes = sorted(process.returncode for process in both)
    assert "Traceback" not in "".join(said)
    assert codes in ([0, 0], [0, 1])
    if codes == [0, 1]:
        assert sum("is being written to by another process" in text for text in said) == 1
    assert (tmp_path / "out" / "prepared.jsonl").read_bytes().count(b"\n") == 60


@pytest.mark.parametrize("kinds", ["[pictures]", "[npz]", "[bin]"])
def test_prepare_writes_nothing_outside(tmp_path, kinds):
    (tmp_path / "data").mkdir()
    write_picture(tmp_path / "data" / "a.jpg", draw_picture(60, 80))
    write_picture(tmp_path / "victim.jpg", draw_picture(60, 80))
    outside = tmp_path / "victim"
    listed = f"file_x,file_y,decision\na.jpg,{outside}.jpg,no\na.jpg,../victim.jpg,no\n"
    (tmp_path / "data" / "pairs.csv").write_text(listed)
    before = contents(tmp_path)
    model = [*MODEL[:4]] if kinds == "[bin]" else []
    words = ["dataset=pairs", "dataset.path=data/pairs.csv", f"files={kinds}", "out=out/deep", *model]
    said = prepare(*words, folder=tmp_path)
    assert said.count("not read: ") == 2 and "is no name of a file within" in said
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    strange = [name for name in after if name not in before and not name.startswith(("out/deep/", "cache/"))]
    assert not strange


def test_official_predictions_stay_in_their_folder(tmp_path):
    out = tmp_path / "runs" / "one" / "official"
    for name in ("../../../victim/X.jpg", str(tmp_path / "victim" / "X.jpg"), "a/../../X.jpg"):
        for place in (out, out.with_suffix(".zip")):
            with pytest.raises(Exception, match="is no name of a file within"):
                write_predictions([Prediction(name, Faces())], place)
    assert not list(tmp_path.rglob("*.txt")) and not list(tmp_path.rglob("*.zip"))


def test_pictures_named_by_a_list_are_read_within_its_folder(tmp_path):
    (tmp_path / "data").mkdir()
    write_picture(tmp_path / "secret.jpg", draw_picture(60, 80))
    (tmp_path / "data" / "pairs.csv").write_text("file_x,file_y,decision\n../secret.jpg,a\0.jpg,no\n")
    for sample in Pairs(PairsOptions(path=str(tmp_path / "data" / "pairs.csv"))):
        with pytest.raises(Exception, match="is no name of a file within"):
            _ = sample.image


def test_what_a_killed_predict_left_is_removed_by_the_next(work, photos):
    left = work / "out" / ".faceport-0123456789ab.part.mp4"
    mine = work / "out" / "sub" / "deeper" / ".faceport-0123456789ab.part.mp4"
    for path in (left, mine):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    faceport("predict", str(photos), *MODEL, "out=out", folder=work)
    assert not left.exists()
    assert mine.exists(), "a folder where predict writes nothing is none of its business"


def test_two_runs_into_one_folder_never_mix(work):
    words = [*MODEL, "dataset=synthetic", "dataset.count=2", "dataset.size=[96,96]"]
    faceport("run", *words, folder=work)
    (folder,) = (work / "runs").iterdir()
    record = (folder / "record.json").read_bytes()
    with alone_in(folder):
        said = faceport("run", *words, "fresh=true", folder=work, code=1)
        assert "is being written to by another process" in " ".join(said.split())
        assert (folder / "record.json").read_bytes() == record, "it is the other's"
        said = faceport("run", "-m", *words, "fresh=true", folder=work, code=1)
        assert (folder / "record.json").read_bytes() == record
        waiting = start("run", "-m", *words, folder=work)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.communicate(timeout=10)
    out, err = waiting.communicate(timeout=300)
    assert waiting.returncode == 0 and "kept" in out, err


def test_fresh_makes_networks_and_ranges_anew(work):
    words = [*MODEL, "dataset=synthetic", "dataset.count=2", "dataset.size=[96,96]", "target.precision=int8"]
    words += ["calibration.samples=2", "metric=[agreement,latency]", "metric.agreement.threshold=0.01"]
    words += ["model.confidence=0.01"]

    def made() -> dict[str, int]:
        files = [
            *(work / "cache").rglob("manifest.json"),
            *(work / "runs").glob("reference-*/fingerprint.txt"),
        ]
        return {file.relative_to(work).as_posix(): file.stat().st_ino for file in files}

    faceport("run", *words, folder=work)
    before = made()
    assert {name.split("/")[1] for name in before if name.startswith("cache")} >= {
        "artifact",
        "calls",
        "onnx",
    }
    faceport("run", *words, folder=work)
    assert {n: i for n, i in made().items() if n.startswith("cache")} == {
        n: i for n, i in before.items() if n.startswith("cache")
    }
    faceport("run", *words, "fresh=true", folder=work)
    after = made()
    assert after.keys() == before.keys() and all(after[name] != before[name] for name in before)


def test_export_record_and_diagnose_write_over_nothing_of_others(work):
    data = ["dataset=synthetic", "dataset.count=1", "dataset.size=[96,96]"]
    for name in ("onnx/retinaface.onnx", "onnx/retinaface.json", "diagnosis/nodes.csv", "thesis.txt"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("mine")
    calls = [
        ["export", *MODEL, "out=onnx"],
        ["diagnose", *MODEL, *data],
        ["run", *MODEL, *data, "record=thesis.txt"],
        ["score", "dataset=synthetic", "predictions=nowhere", "metric=latency", "record=thesis.txt"],
    ]
    for words in calls:
        said = " ".join(faceport(*words, folder=work, code=1).split())
        assert "faceport did not write it" in said or "record=thesis.txt is there and is no record" in said
    for name in ("onnx/retinaface.onnx", "onnx/retinaface.json", "diagnosis/nodes.csv", "thesis.txt"):
        assert (work / name).read_text() == "mine"
    faceport(*calls[0], "overwrite=true", folder=work)
    faceport(*calls[0], folder=work)  # its own
    assert (work / "onnx" / "retinaface.onnx").stat().st_size > 1000
    assert [*(work / "onnx").glob("golden/*.npz")]
    for _ in range(2):
        faceport("run", *MODEL, *data, "record=second.json", folder=work)
