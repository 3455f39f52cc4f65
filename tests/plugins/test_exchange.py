"""MTCNN on a machine that only files reach: three trips, interrupted, altered; and the same over ssh."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli import faceport
from tests.simulated.ascend import calls, install

pytest.importorskip("onnxruntime")
pytest.importorskip("faceport_ascend")
WAITING = 3
# Drawn weights let nothing through at the usual thresholds.
MTCNN = ["model=mtcnn", "model.weights=random", "model.thresholds=[0.3,0.3,0.3]", "model.min_face_size=40"]
DATA = ["dataset=synthetic", "dataset.size=[96,128]", "dataset.count=4", "record=record.json"]


def ascend(folder: Path, *words: str) -> list[str]:
    script = folder / "cann" / "set_env.sh"
    python = folder / "cann" / "bin" / "python_there"
    chosen = ["target=ascend", "target.soc_version=Ascend310", "target.runner=ais_bench"]
    return [*chosen, f"target.env_script={script}", f"target.python={python}", *words]


def record(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


def go_there(folder: Path, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        ["sh", str(folder / "exchange/run.sh")],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert (done.returncode == 0) is (code == 0), done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """Give the folder of a run in which the tool is on this machine."""
    folder = tmp_path_factory.mktemp("local")
    install(folder, "atc", "python_there")
    faceport("run", *MTCNN, *DATA, *ascend(folder), "metric=agreement", folder=folder)
    return folder


def predictions(folder: Path) -> bytes:
    [path] = folder.glob("runs/mtcnn-*/predictions.jsonl")
    return path.read_bytes()


def test_a_data_set_is_one_invocation_for_each_network(local):
    found = record(local)
    started = calls(local, "python_there")
    assert len([line for line in started if "todo/0" in line]) == 2 * 3, "parity, and the run"
    for name, parity in found["parity"].items():
        for output, told in parity["outputs"].items():
            assert told["max_rel"] < 1e-2, (name, output, told)
    assert found["metrics"]["agreement"]["faces"] > 0
    assert found["metrics"]["agreement"]["box_iou"] > 0.9
    assert found["artifacts"]["pnet"]["runs_as"]["reported"].startswith("ais_bench: ")


def test_three_trips_equal_the_local_run(local, tmp_path):
    install(tmp_path, "atc", "python_there")
    words = [
        *MTCNN,
        *DATA,
        *ascend(tmp_path, "target.reach=exchange", "target.dry_run=true"),
        "metric=agreement",
    ]
    said = faceport("run", *words, folder=tmp_path, code=WAITING)
    assert "atc --framework=5" in said and "Run `sh exchange/run.sh` there" in said
    script = (tmp_path / "exchange/run.sh").read_text()
    assert script.startswith("#!/bin/sh")
    go_there(tmp_path, 1, ASCEND_SIMULATED_FAULT="killed")
    go_there(tmp_path)
    for _ in range(2):
        faceport("run", *words, folder=tmp_path, code=WAITING)
        go_there(tmp_path, 1, ASCEND_SIMULATED_FAULT="save")
        assert "4 pictures wait" in faceport("run", *words, folder=tmp_path, code=WAITING)
        go_there(tmp_path)
    faceport("run", *words, folder=tmp_path)
    assert record(tmp_path)["status"] == "done"
    assert predictions(tmp_path) == predictions(local)
    assert len(calls(tmp_path, "atc")) == 4, "one was killed; the others compile once each"


def alter(one: Path, other: Path) -> None:
    content = bytearray(one.read_bytes())
    content[-1] ^= 1
    one.write_bytes(content)


def exchange(one: Path, other: Path) -> None:
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def exchange_seals(one: Path, other: Path) -> None:
    seals = [path.parents[1] / "sealed" / path.stem.rpartition("_")[0] for path in (one, other)]
    exchange(*seals)


def remove(one: Path, other: Path) -> None:
    one.unlink()


@pytest.fixture(scope="module")
def once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("once")
    install(folder, "atc", "python_there")
    faceport("run", *MTCNN, *DATA, *ascend(folder, "target.reach=exchange"), folder=folder, code=WAITING)
    go_there(folder)
    return folder


@pytest.mark.parametrize("spoil", [alter, exchange, exchange_seals, remove])
def test_spoiled_answers_are_refused(spoil, once, tmp_path):
    folder = tmp_path / "trip"
    shutil.copytree(once, folder)
    [box] = (folder / "exchange").glob("pnet-*")
    one, *_, other = sorted(box.glob("out/*_0.npy"))
    spoil(one, other)
    words = [*MTCNN, *DATA, *ascend(once, "target.reach=exchange")]
    said = faceport("run", *words, folder=folder, code=1)
    assert "delete it and its seal, and run there again" in said
    for path in (one, other):
        path.unlink(missing_ok=True)
        (box / "sealed" / path.stem.rpartition("_")[0]).unlink()
    said = faceport("run", *words, folder=folder, code=WAITING)
    go_there(folder)
    assert "4 pictures wait" in faceport("run", *words, folder=folder, code=WAITING)


def test_a_question_that_was_changed_is_refused_there(once, tmp_path):
    folder = tmp_path / "trip"
    shutil.copytree(once, folder)
    words = [*MTCNN, *DATA, *ascend(once, "target.reach=exchange")]
    faceport("run", *words, folder=folder, code=WAITING)
    [box] = (folder / "exchange").glob("rnet-*")
    alter(next(box.glob("todo/0/*.npy")), box)
    assert "a question was changed on the way" in go_there(folder, 1)
    assert not (box / "out").exists()


def test_ssh_carries_by_itself(local, tmp_path):
    install(tmp_path, "atc", "python_there")
    place = tmp_path / "bin"
    place.mkdir()
    (tmp_path / "board").mkdir()
    (
        place / "ssh"
    ).write_text(  # a board in another folder: the words as one line, as a remote shell gets them
        '#!/bin/sh\n[ "$1 $2 $3" = "-o BatchMode=yes me@board" ] || exit 255\n'
        f'cd {tmp_path}/board && exec sh -c "$4"\n'
    )
    (place / "ssh").chmod(0o755)
    words = [*MTCNN, *DATA, *ascend(tmp_path, "target.reach=ssh://me@board/faces")]
    faceport("run", *words, folder=tmp_path, PATH=f"{place}:{os.environ['PATH']}")
    assert predictions(tmp_path) == predictions(local)
    assert list((tmp_path / "board/faces").glob("onet-*/sealed/*"))
    said = faceport(
        "run", *MTCNN, *DATA, *ascend(tmp_path, "target.reach=ssh://-oProxy"), folder=tmp_path, code=1
    )
    assert "it must be ssh://[user@]host" in said
