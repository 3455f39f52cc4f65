"""The verb `run`, from the command line: results, resuming, sweeps, and users' mistakes."""

import json
import re
import signal
import time
from pathlib import Path

import pytest

from tests.cli import SMALL, faceport, start

BLIND = ["model=pipnet_resnet18", "model.weights=random"]  # a model that must be told where the faces are


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


def record_of(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


def test_a_run_leaves_one_whole_record(folder):
    said = faceport("run", *SMALL, "dataset.count=6", "record=here/record.json", folder=folder)
    record = record_of(folder / "here")
    sections = {"metrics", "timing", "parity", "config", "host", "weights", "artifacts", "data", "versions"}
    assert sections <= record.keys()
    assert record["status"] == "done"
    assert record["samples"]["predicted"] == 6
    assert record["weights"]["retinaface"] == {"source": "random", "random": True, "seed": 0}
    assert "random: its accuracy means nothing" in said
    assert "widerface_ap (WIDER FACE v1, IoU 0.5)" in said
    assert record["parity"]["retinaface"]["outputs"]["loc"]["max_rel"] < 1e-4
    assert record["artifacts"]["retinaface"]["runs_as"]["device"] == "CPU"
    assert {"faceport-retinaface", "faceport-onnxruntime", "faceport-synthetic"} <= record["versions"].keys()
    stages = {
        "draw",
        "decode",
        "preprocess",
        "network:retinaface",
        "postprocess",
        "service_time",
        "time_in_engine",
    }
    assert set(record["timing"]["stages"]) == stages
    loaded = record["timing"]["loaded"]
    assert (loaded["batch_size"], loaded["threads"], loaded["warm_up"]) == (1, 1, 1)
    assert record["timing"]["stages"]["time_in_engine"]["count"] == 6 - loaded["warm_up"]


def test_results_do_not_depend_on_batch_size_or_threads(folder):
    found = []
    for words in (["batch_size=1", "workers=1"], ["batch_size=4", "workers=3"]):
        faceport("run", *SMALL, "dataset.count=7", *words, f"out={words[0]}", folder=folder)
        lines = next((folder / words[0]).glob("*/predictions.jsonl")).read_text().splitlines()
        found.append([json.loads(line) for line in lines])
    for one, other in zip(*found, strict=True):
        assert one["id"] == other["id"]
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    words = ["run", *SMALL, "dataset.count=300", "dataset.size=[320,320]", "out=runs"]
    process = start(*words, folder=tmp_path)
    deadline = time.monotonic() + 120
    lines = 0
    while lines < 20 and time.monotonic() < deadline and process.poll() is None:
        files = list(tmp_path.glob("runs/*/predictions.jsonl"))
        lines = files[0].read_bytes().count(b"\n") if files else 0
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    file = next(tmp_path.glob("runs/*/predictions.jsonl"))
    before = file.read_bytes().count(b"\n")
    assert 20 <= before < 300, "the run ended before it could be killed"
    said = faceport(*words, folder=tmp_path)
    ids = [json.loads(line)["id"] for line in file.read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 300
    resumed = record_of(file.parent)
    assert resumed["samples"]["resumed"] == before
    assert f"{before} of 300 pictures were done before and kept" in said
    faceport(*words[:-1], "out=whole", folder=tmp_path)
    assert record_of(next(tmp_path.glob("whole/*/")))["metrics"] == resumed["metrics"]


def test_ctrl_c_says_what_is_kept(tmp_path):
    process = start("run", *SMALL, "dataset.count=2000", folder=tmp_path)
    deadline = time.monotonic() + 120
    while (
        not any(one.stat().st_size for one in tmp_path.glob("runs/*/predictions.jsonl"))
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in err
    assert "Traceback" not in out + err
    lines = next(tmp_path.glob("runs/*/predictions.jsonl")).read_bytes()
    assert lines.endswith(b"\n")


def test_two_runs_at_once_share_one_store(tmp_path):
    processes = [start("run", *SMALL, "dataset.count=3", f"out=r{n}", folder=tmp_path) for n in range(3)]
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err
    assert "2 entries" in faceport("cache", "list", folder=tmp_path)  # one export, one artifact


def test_a_second_run_compiles_nothing(folder):
    faceport("run", *SMALL, "dataset.count=2", folder=folder)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("cache/*/*/*.onnx")}
    faceport("run", *SMALL, "dataset.count=2", folder=folder)
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("cache/*/*/*.onnx")}


def test_a_sweep_records_failures_goes_on_and_repeats_only_those(folder):
    base = ["run", "-m", *SMALL, "dataset.count=3", "target=onnxruntime,torch", "out=sweep"]
    words = [*base, "model.nms=0.4,oops"]
    said = faceport(*words, folder=folder, code=1)
    assert said.count("failed: ") == 2
    assert "option 'nms': Value 'oops'" in said
    assert "job 1 of 4: onnxruntime nms=0.4\njob 1 of 4: done: " in said
    assert re.search(r"(?m)^job 3 of 4: done: sweep/\S+ \(about .* left\)$", said)
    assert re.search(r"(?m)^nms +target +status +widerface_ap\.easy", said), "piped: whole titles"
    records = [
        record_of(path) for path in sorted(folder.glob("sweep/*/")) if (path / "record.json").is_file()
    ]
    assert sorted(record["status"] for record in records) == ["done", "done", "failed", "failed"]
    again = faceport(*words, folder=folder, code=1)
    assert again.count("kept: ") == 2
    assert again.count("failed: ") == 2
    assert " kept " in again
    assert faceport(*base, "model.nms=0.4", folder=folder).count("kept: ") == 2


def test_a_sweep_over_experiments_names_them_and_shows_what_differs(tmp_path):
    for name, size in (("small", 64), ("large", 96)):
        place = tmp_path / "conf" / "experiment" / f"{name}.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(
            "# @package _global_\n"
            "defaults: [{override /model: retinaface_mobilenet}, {override /dataset: synthetic}]\n"
            f"model: {{weights: random, size: {size}}}\n"
            f"dataset: {{count: 2, size: [{size}, {size}]}}\nparity: 0\n"
        )
    said = faceport("run", "-m", "experiment=small,large", "metric=[latency]", folder=tmp_path)
    assert "job 2 of 2: large\n" in said
    table = [
        line.split() for line in said.splitlines() if line.startswith(("experiment ", "small ", "large "))
    ]
    assert table[0][:4] == ["experiment", "model.size", "dataset.size", "status"]
    assert [line[:3] for line in table[1:]] == [["small", "64", "[64,"], ["large", "96", "[96,"]]


def test_a_terminal_without_utf_8_gets_other_letters(folder):
    plain = {"PYTHONIOENCODING": "ascii"}
    assert "model retinaface_mobilenet" in faceport(
        "list", "model=retinaface_mobilenet", folder=folder, **plain
    )
    words = [*SMALL, "dataset.count=1", "parity=0", "metric=[latency]", "out=plain"]
    assert "(up)" in faceport("run", "-m", *words, folder=folder, **plain)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "model=retinaface_mobilnet", "dataset=synthetic"], "Did you mean retinaface_mobilenet"),
        (["run", "dataset=synthetic"], "choose a model: model=NAME. Available: "),
        (
            ["run", *SMALL, "model.wieghts=x"],
            "has no option 'wieghts'.*retinaface_mobilenet.yaml.*Did you mean weights",
        ),
        (["run", *SMALL, "target.threads=two"], "option 'threads': Value 'two'"),
        (["run", *SMALL, "batchsize=3"], "no option 'batchsize'. Did you mean batch_size"),
        (["run", *SMALL, "batch_size=0"], "batch_size is 0, it must be at least 1"),
        (["run", *SMALL, "hello"], "'hello' is no option: write KEY=VALUE"),
        (["rum"], "no command 'rum'. Did you mean run"),
        (["run", *SMALL, "detector=pipnet_resnet18"], "finds no faces by itself"),
        (
            ["run", "model=pipnet_resnet18", "model.weights=random", "dataset=folder", "dataset.path=."],
            "needs boxes.*detector=",
        ),
        (["run", *SMALL, "metric=landmarks"], "it needs landmarks, which the model does not provide"),
        (
            ["run", *SMALL[:1], "model.weights=no/such.pth", "dataset=synthetic"],
            "weights file no/such.pth does not exist",
        ),
        (["score", "dataset=synthetic"], "give predictions=PATH"),
        (["score", "dataset=synthetic", "predictions=nowhere"], "predictions=nowhere does not exist"),
        (
            ["predict", "model=retinaface_mobilenet", "nowhere.jpg", "model.weights=random"],
            "nowhere.jpg does not exist",
        ),
        (["run", "artifact=nowhere", "dataset=synthetic"], "holds no bundle.json"),
        (["list", "modle"], "no kind 'modle'. Did you mean model"),
        (["cache", "prune", "day=3"], "takes days=NUMBER"),
    ],
)
def test_a_mistake_is_answered_with_one_sentence(folder, words, sentence):
    said = faceport(*words, folder=folder, code=1)
    assert re.search(sentence, said), said
    assert said.startswith("error: ")
    assert len(said.strip().splitlines()) == 1


def test_another_precision_than_asked_for_is_noted(tmp_path):
    words = ["target.precision=fp16", "target.allow_fallback=true", "dataset.count=2", "record=record.json"]
    said = faceport("run", *SMALL, *words, folder=tmp_path)
    runs_as = record_of(tmp_path)["artifacts"]["retinaface"]["runs_as"]["precision"]
    told = f"network 'retinaface' runs in {runs_as}, although fp16 was asked for"
    assert (told in " ".join(said.split())) == (runs_as != "fp16")
