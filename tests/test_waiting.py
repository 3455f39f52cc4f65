"""Runs on a device that nobody can call: example_mailbox asks it in files, answer.py plays the device."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from faceport.api import Artifact
from faceport.artifacts.shapes import compile_network, open_network
from faceport.networks.parity import compare_calls, worst
from faceport.testing.tiny import draw_inputs, right_outputs, tiny_source
from tests.cli import faceport, start
from tests.conftest import ROOT
from tests.fakes import install

pytest.importorskip("onnxruntime")
SOURCE = ROOT / "examples/faceport-example-mailbox/src"
# With random weights the usual thresholds leave no candidates, and so no second and third trip.
MTCNN = [
    *("model=mtcnn", "model.weights=random", "model.thresholds=[0.3,0.3,0.3]", "model.min_face_size=40"),
    *("dataset=synthetic", "dataset.size=[96,128]", "record=record.json"),
]
AWAY = [*MTCNN, "dataset.count=4", "target=example_mailbox"]
# Rows that run together are a call of a mailbox, and of the engine with one picture at a time: only then are
# the last bits the same, as runtimes compute one row and many by different kernels.
WHOLE_CALLS = ["target=onnxruntime", "batch_size=1000", "workers=1", "in_flight=1"]
WAITING = 3


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("site")
    files = {
        str(path.relative_to(SOURCE)): path.read_text()
        for path in SOURCE.rglob("*")
        if path.suffix in (".py", ".yaml")
    }
    install(folder, "faceport-example-mailbox", files, {"example_mailbox": "faceport_example_mailbox"})
    return str(folder)


@pytest.fixture(scope="module")
def direct(tmp_path_factory) -> bytes:
    """Predictions of the same runtime, called directly."""
    folder = tmp_path_factory.mktemp("direct")
    faceport("run", *MTCNN, "dataset.count=4", *WHOLE_CALLS, folder=folder)
    return predictions(folder)


def predictions(folder: Path) -> bytes:
    [path] = folder.glob("runs/mtcnn-*/predictions.jsonl")
    return path.read_bytes()


def record(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


def run(folder: Path, site: str, code: int) -> str:
    return faceport("run", *AWAY, folder=folder, code=code, PYTHONPATH=site)


def go_there(folder: Path) -> int:
    """Answer all questions, as the device would: without faceport, in a place of its own."""
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "mailbox/answer.py")],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[0])


def answers(folder: Path, network: str = "pnet") -> list[Path]:
    return sorted(folder.glob(f"mailbox/{network}-*/answers/*.npz"))


def questions(folder: Path) -> list[Path]:
    return sorted(folder.glob("mailbox/*/questions/*.npz"))


def test_three_trips_equal_direct_calls(site, direct, tmp_path):
    for asked in ("pnet", "rnet", "onet"):
        said = run(tmp_path, site, WAITING)
        assert (
            "4 pictures wait for answers from another machine. Run `python mailbox/answer.py` there" in said
        )
        assert "the same command goes on once that is done" in said
        found = record(tmp_path)
        assert found["status"] == "waiting" and "4 pictures wait" in found["reason"]
        assert found["samples"]["missing"] == 4 and found["metrics"] == {}
        assert found["parity"][asked] == {"skipped": "it runs on another machine"}
        assert found["artifacts"][asked]["runs_as"]["device"] == "not known yet"
        assert go_there(tmp_path) > 0 and go_there(tmp_path) == 0
        assert answers(tmp_path, asked)
    run(tmp_path, site, 0)
    found = record(tmp_path)
    assert found["status"] == "done" and found["samples"]["predicted"] == 4
    assert found["timing"]["stages"] == {} and found["timing"]["samples_per_second"] is None
    assert "onnxruntime" in found["artifacts"]["onet"]["runs_as"]["runtime"]
    assert found["metrics"]["widerface_ap"]
    assert predictions(tmp_path) == direct


def test_the_script_needs_no_faceport():
    code = (SOURCE / "faceport_example_mailbox/answer.py").read_text()
    assert "import faceport" not in code and "from faceport" not in code


def test_what_is_killed_goes_on(site, direct, tmp_path):
    process = start("run", *AWAY, folder=tmp_path, PYTHONPATH=site)
    while not questions(tmp_path):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run(tmp_path, site, WAITING)
    for _ in range(2):
        go_there(tmp_path)
        latest = max(answers(tmp_path, "*"), key=os.path.getmtime)
        latest.rename(
            latest.with_suffix(".part")
        )  # as if it had been killed before its last answer was whole
        said = run(tmp_path, site, WAITING)
        assert "4 pictures wait" in said or "1 picture waits" in said
    for _ in range(3):
        go_there(tmp_path)
        process = start("run", *AWAY, folder=tmp_path, PYTHONPATH=site)
        process.communicate()
        if process.returncode == 0:
            break
    assert record(tmp_path)["status"] == "done"
    assert predictions(tmp_path) == direct


def exchange(folder: Path) -> None:
    one, other, *_ = answers(folder)
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def change(folder: Path) -> None:
    path = answers(folder)[0]
    with np.load(path) as file:
        tensors = {name: file[name] for name in file}
    tensors["offsets"] = tensors["offsets"] + np.float32(1)
    np.savez(path, **tensors)


def cut(folder: Path) -> None:
    path = answers(folder)[0]
    path.write_bytes(path.read_bytes()[:-100])


def unseal(folder: Path) -> None:
    np.savez(answers(folder)[0], seal=np.array("{}"))


@pytest.fixture(scope="module")
def once(site, tmp_path_factory) -> Path:
    """Give the folder of a run after its first trip."""
    folder = tmp_path_factory.mktemp("trips") / "once"
    folder.mkdir()
    run(folder, site, WAITING)
    go_there(folder)
    return folder


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (exchange, "answers other inputs than were asked: was it exchanged?"),
        (change, "was changed after it was written"),
        (cut, "is damaged"),
        (unseal, "is damaged"),
    ],
)
def test_spoiled_answers_are_refused(spoil, reason, once, site, tmp_path):
    folder = tmp_path / "once"
    shutil.copytree(once, folder)
    spoil(folder)
    said = run(folder, site, 1)
    assert said.startswith("error: mailbox/pnet-") and reason in said and "Delete it and answer again" in said
    spoilt = Path(said.split()[1])
    (folder / spoilt).unlink()
    assert go_there(folder) == 1


def test_a_sweep_shows_waiting_beside_done_and_failed(site, tmp_path):
    words = ["-m", *MTCNN[1:-1], "model=mtcnn", "target=example_mailbox,onnxruntime", "dataset.count=2"]
    both = [word.replace("random", "random,missing.pt") for word in words]
    said = faceport("run", *both, folder=tmp_path, code=1, PYTHONPATH=site)
    assert re.findall(r"^(?:random|missing).* (waiting|done|failed)\b", said, re.MULTILINE) == [
        *("waiting", "done", "failed", "failed")
    ]
    for code in (WAITING, WAITING, WAITING, 0):
        said = faceport("run", *words, folder=tmp_path, code=code, PYTHONPATH=site)
        assert ("(1) 2 pictures wait" in said) is (code == WAITING), "a sweep says what to do"
        go_there(tmp_path)


@pytest.mark.parametrize("able", [(), ("dynamic_shape",), ("dynamic_batch",)], ids="-".join)
def test_a_device_that_runs_fixed_shapes_is_asked_in_them(able, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SOURCE)
    from faceport_example_mailbox.answer import answer
    from faceport_example_mailbox.target import ExampleMailbox, MailboxOptions

    class Chip(ExampleMailbox):
        capabilities = frozenset(able)

    target = Chip(MailboxOptions(str(tmp_path / "mailbox")))
    (tmp_path / "source").mkdir()
    (tmp_path / "artifact").mkdir()
    source = tiny_source("onnx", True, tmp_path / "source")
    calls = [draw_inputs(3, 12, 16), draw_inputs(2, 20, 8)]
    compile_network(target, source, tmp_path / "artifact", calls)
    session = open_network(target, Artifact(tmp_path / "artifact", source.network, {}))
    places = [f"0000000{number}-00-000" for number in range(len(calls))]
    asked = zip(places, calls, strict=True)
    assert [session.answer(place, inputs) for place, inputs in asked] == [None, None]
    assert "answer.py" in session.dispatch()
    told = [answer(folder) for folder in (tmp_path / "mailbox").iterdir() if folder.is_dir()]
    assert sum(told) == (2 if "dynamic_batch" in able else 5)
    found = [session.answer(place, inputs) for place, inputs in zip(places, calls, strict=True)]
    right = [right_outputs(source.network, inputs) for inputs in calls]
    assert worst(compare_calls(right, found))[1] < 1e-5
