"""faceport bench over the real engine: records, comparisons, published numbers, what is refused."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from faceport.api import Network, Session
from faceport.errors import ConfigError
from faceport.plugins.loading import create
from faceport.runs.published import printed, published_of
from faceport.runs.record import Record
from faceport.shell.compose import compose_config, compose_offers
from faceport.shell.offers import offers
from faceport.shell.together import compose_together
from faceport.shell.verb import make_verb
from faceport.types import TensorSpec
from faceport_bench.alone import Alone, batch_of, shape_of, shaped
from faceport_bench.energy import Energy
from faceport_bench.interleaved import measure_together
from faceport_bench.machine import Conditions, others_between, reasons_between
from faceport_bench.memory import most_memory
from faceport_bench.roofline import Peak, better, measure_peak
from faceport_bench.scenario import PROFILES, Outcome, Scenario, ask
from faceport_bench.subjects import labels
from tests.cli import SMALL, start
from tests.conftest import ROOT

BRIEF = ["seconds=0.1", "count=4", "noise=10", "pool=2", "dataset.size=[96,96]"]
TINY = [*(word for word in SMALL if "size" not in word), "model.size=96", *BRIEF]
EXPERIMENTS = ROOT / "conf"


def bench(*words, folder=None):
    """Measure what words say and give the records."""
    configs = compose_together(offers("bench"), words, folder)
    return make_verb("bench", configs[0]).act({**configs[0], "together": configs}).records


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    return bench(*TINY, "target=onnxruntime,torch", "batch_size=1,3", f"out={out}", "cold=false")


def test_every_combination_has_a_record(records):
    assert [(r.config["target"]["name"], r.config["batch_size"]) for r in records] == [
        ("onnxruntime", 1), ("onnxruntime", 3), ("torch", 1), ("torch", 3),
    ]  # fmt: skip
    assert len({record.folder for record in records}) == 4


def test_a_record_holds_what_was_measured(records):
    record = records[1]
    query, alone = record.metrics["query"], record.metrics["alone"]["networks"]["retinaface"]
    assert query["per_second"] == pytest.approx(record.timing.samples_per_second, rel=0.01)
    assert query["mean_ms"] > alone["mean_ms"] / 3 > 0
    assert alone["rows"] == 3 and alone["ms_each"] == pytest.approx(alone["mean_ms"] / 3, rel=1e-3)
    assert record.metrics["work"]["params"] == 426_608
    assert record.metrics["work"]["macs"] == 981_145_600 * 96**2 // 640**2
    assert 0 < record.metrics["work"]["peak_gmacs_per_second"] < 1e6
    assert record.metrics["cpu"]["ms_each"] > 0
    assert {"decode", "preprocess", "network:retinaface", "postprocess", "service_time"} == {
        *record.timing.stages
    }
    counts = {stage["count"] for name, stage in record.timing.stages.items() if ":" not in name}
    assert len(counts) == 1, "stages are of the same pictures as the queries"
    assert record.timing.loaded["scenario"] == "single_stream"
    assert record.verb == "bench"


def test_others_are_held_against_the_first(records):
    assert "times_baseline" not in records[0].metrics["query"]
    for record in records[1:]:
        query = record.metrics["query"]
        low, high = query["interval"]["times_baseline"]
        assert low <= query["times_baseline"] <= high


def test_reports_show_it(records, tmp_path):
    report = pytest.importorskip("faceport_report.report")
    from faceport.runs.records import gather
    from faceport.verbs.show.quantities import numbers_of
    from faceport_report.repeating import command

    found = gather([str(Path(records[0].folder).parent)])
    assert len(found.runs) == 4 and not found.refused
    numbers = numbers_of(found.runs[0].record)
    assert {"query.mean_ms", "latency.mean_ms", "speed.per_second", "work.macs", "size.mb"} <= {*numbers}
    assert numbers["query.per_second"].better == "higher" and numbers["query.mean_ms"].unit == "ms"
    text = command(found.runs[0].record.config, found.runs[0].record.verb)
    assert text.startswith("faceport bench model=retinaface_mobilenet") and "scenario=single_stream" in text
    page = tmp_path / "page.html"
    report.Report(report.ReportOptions([str(Path(records[0].folder).parent)], out=str(page))).act({})
    assert "networks alone" in page.read_text()


@pytest.mark.parametrize("scenario", ["multi_stream", "offline", "server"])
def test_the_other_scenarios_run(scenario, tmp_path):
    words = ["scenario.bound_ms=5000", "scenario.share=0.5"] if scenario == "server" else []
    (record,) = bench(*TINY, f"scenario={scenario}", *words, f"out={tmp_path}", "cold=false")
    query = record.metrics["query"]
    if scenario == "server":
        assert query["rate_per_second"] > 0 and query["share_within"] >= 0.5
    else:
        assert query["per_second"] > 0
        stage = record.timing.stages["service_time"]
        assert stage["items"] > stage["count"]  # pictures, queries


def test_what_is_too_noisy_is_invalid_and_incomplete(tmp_path):
    words = [word for word in TINY if not word.startswith("noise=")]
    (record,) = bench(*words, "noise=1e-9", "subject=networks", f"out={tmp_path}", "cold=false")
    assert record.status == "incomplete" and record.reason.startswith("INVALID: ")
    assert "too noisy" in record.reason
    assert Record.read(tmp_path / record.folder / "record.json").sealed


def test_the_command_says_so_and_starts_cold(tmp_path):
    process = start("bench", *TINY, "subject=networks", "out=out", folder=tmp_path)
    said, wrong = process.communicate(timeout=300)
    assert process.returncode in (0, 1), wrong  # INVALID, where this machine is busy
    (file,) = tmp_path.glob("out/*/record.json")
    record = Record.read(file)
    cold, memory = record.metrics["start"], record.metrics["memory"]
    assert cold["cold_s"] == pytest.approx(cold["python_s"] + cold["open_s"] + cold["first_s"], abs=0.01)
    assert cold["made_s"] > 0  # the store of this folder was empty
    assert 50 < memory["peak_mb"] < 5000
    assert "networks alone" in said and "peak of this machine" in said


def test_a_shape_is_measured_alone(tmp_path):
    words = ["model=mtcnn", "model.weights=random", "shape=rnet:7x3x24x24,onet:2x3x48x48", "cold=false"]
    first, second = bench(*words, "seconds=0.1", "count=4", "noise=10", f"out={tmp_path}")
    assert first.metrics["alone"]["networks"].keys() == {"rnet"}
    assert first.metrics["work"]["macs"] == 1_530_768 and second.metrics["work"]["macs"] == 12_909_952
    assert first.metrics["query"]["per_second"] == pytest.approx(
        7e3 / first.metrics["query"]["mean_ms"], rel=0.2
    )
    assert "times_baseline" not in second.metrics["query"]  # of another network


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shape=rnet"], "NETWORK:ROWSxCHANNELSxHEIGHTxWIDTH"),
        (["shape=qnet:1x3x24x24"], "no such network"),
        (["shape=rnet:1x3x25x25"], "takes batchx3x24x24, not 1x3x25x25"),
        (["subject=pipeline"], "subject=pipeline needs pictures"),
        (
            ["shape=rnet:1x3x24x24", "batch_size=1,2", "baseline=batch_size=3"],
            "no configuration is called so",
        ),
        (["seconds=0"], "must be more than 0"),
        (["published={rows: [{match: {}, numbers: {work.params: many}}]}"], "no number as it was printed"),
    ],
)
def test_mistakes_are_named(words, said, tmp_path):
    brief = [] if words == ["seconds=0"] else ["seconds=0.1"]
    with pytest.raises(ConfigError, match=said):
        bench("model=mtcnn", "model.weights=random", "cold=false", *words, *brief, f"out={tmp_path}")


# --- several configurations for one call ---


def test_values_with_commas_are_combined():
    configs = compose_together(offers("bench"), ["model=mtcnn", "batch_size=1,4", "target=torch,onnxruntime"])
    found = [(one["batch_size"], one["target"]["name"]) for one in configs]
    assert found == [(1, "torch"), (1, "onnxruntime"), (4, "torch"), (4, "onnxruntime")]
    assert labels(configs) == [
        "torch batch_size=1", "onnxruntime batch_size=1", "torch batch_size=4", "onnxruntime batch_size=4",
    ]  # fmt: skip


def test_a_list_in_brackets_is_one_value():
    configs = compose_together(offers("bench"), ["model=mtcnn", "model.thresholds=[0.1,0.2,0.3]"])
    assert len(configs) == 1 and configs[0]["model"]["thresholds"] == [0.1, 0.2, 0.3]


def test_an_experiment_sweeps_and_words_win():
    offered, name = offers("bench"), "experiment=retinaface_sizes"
    every = compose_together(offered, [name], EXPERIMENTS)
    assert len(every) == 10 and len({one["model"]["size"] for one in every}) == 5
    some = compose_together(offered, [name, "model=retinaface_resnet50", "model.size=320,640"], EXPERIMENTS)
    assert [one["model"]["size"] for one in some] == [320, 640]
    assert {one["model"]["name"] for one in some} == {"retinaface_resnet50"}


def test_too_many_are_refused():
    numbers = ",".join(map(str, range(1, 202)))
    with pytest.raises(ConfigError, match="201 combinations, at most 200"):
        compose_together(offers("bench"), ["model=mtcnn", f"batch_size={numbers}"])


def test_verbs_that_do_not_ask_for_published_numbers_are_not_given_them():
    words = ["experiment=retinaface_sizes"]
    assert compose_config("run", words, EXPERIMENTS)["published"]["rows"]
    options = {key: value for key, value in offers("run").content.items() if key != "published"}
    assert "published" not in compose_offers(replace(offers("run"), content=options), words, EXPERIMENTS)


# --- published numbers ---


def rows_of(name):
    return yaml.safe_load((EXPERIMENTS / "experiment" / f"{name}.yaml").read_text())["published"]


@pytest.mark.parametrize("name", ["retinaface_sizes", "pipnet_backbones"])
def test_published_work_is_reproduced(name):
    """Parameters to every digit that was printed, multiply-adds by the published counting within 0.5 %."""
    from faceport_bench.net_work import Counting, count_work

    counted = 0
    for config in compose_together(offers("bench"), [f"experiment={name}"], EXPERIMENTS):
        options = {key: value for key, value in config["model"].items() if key != "name"}
        (network,) = create("model", config["model"]["name"], **options).networks.values()
        shapes = {key: one.shape for key, one in network.example_inputs(1).items()}
        work = count_work(network, shapes, Counting.of(config["published"]["counting"]))
        for published in published_of(config):
            if "work.params" in published.numbers:
                assert published.numbers["work.params"].agrees(work.params)
                assert published.numbers["work.counted"].agrees(work.counted, within=0.005)
                counted += 1
    assert counted == len([row for row in rows_of(name)["rows"] if "work.params" in row["numbers"]]) > 3


@pytest.mark.parametrize(
    "model", ["retinaface_mobilenet", "pipnet_mobilenet_v3", "pipnet_ir18", "deeppose_resnet50", "facenet"]
)
def test_multiply_adds_are_those_that_torch_counts(model):
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from faceport_bench.net_work import count_work

    for network in create("model", model, weights="random").networks.values():
        inputs = network.example_inputs(2)
        module = network.build().eval().to("meta")
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            module(*(torch.empty(one.shape, device="meta") for one in inputs.values()))
        macs = count_work(network, {key: one.shape for key, one in inputs.items()}).macs
        assert 2 * macs == counter.get_total_flops()


@pytest.mark.parametrize(
    ("text", "value", "half"), [("27.294M", 27.294e6, 500), ("94.33%", 0.9433, 5e-5), ("164", 164, 0.5)]
)
def test_numbers_are_read_as_they_were_printed(text, value, half):
    found = printed(text, "row 1")
    assert (found.value, found.half) == (pytest.approx(value), pytest.approx(half))
    assert found.agrees(value + 0.9 * half) and not found.agrees(value + 1.1 * half)
    assert found.agrees(value * 1.004, within=0.005)


def test_rows_match_by_options():
    rows = [{"match": {"model": "a", "model.size": 320}, "numbers": {"x.y": "1.0"}, "where": "there"}]
    config = {"model": {"name": "a", "size": 320}, "published": {"source": "s", "rows": rows}}
    (found,) = published_of(config)
    assert (found.where, found.source, found.numbers["x.y"].value) == ("there", "s", 1.0)
    assert published_of({**config, "model": {"name": "a", "size": 640}}) == [] == published_of({})
    with pytest.raises(ConfigError, match="number 1 must hold match and numbers"):
        published_of({"published": {"rows": [{}]}})


# --- systems and machines that are not there ---


class Counted(Session):
    """Answer at once and count who asks, from how many threads."""

    facts = {}

    def __init__(self, streams=1):
        self.streams, self.runs, self.threads = streams, 0, set()

    def run(self, inputs):
        self.runs += 1
        self.threads.add(threading.get_ident())
        return dict(inputs)


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_a_network_alone_answers_every_query_once(threads):
    session = Counted()
    system = Alone(session, {"x": np.zeros((5, 1), np.float32)}, threads)
    trial = ask(system, 0.02, 4)
    system.close()
    assert system.rows == 5 and trial.items == 4 * len(trial.answers)
    assert session.runs == trial.items + 1  # one that nobody counts
    assert (threading.get_ident() in session.threads) == (threads is None)
    assert all(answer.done >= answer.due for answer in trial.answers)


def test_a_failure_of_the_network_is_raised():
    class Broken(Counted):
        def run(self, inputs):
            raise ConfigError("broken")

    for threads in (None, 1):
        with pytest.raises(ConfigError, match="broken"):
            ask(Alone(Broken(), {"x": np.zeros((1, 1), np.float32)}, threads), 0.1, 1)


def test_batches_are_made_of_what_pictures_ask():
    network = Network("n", (TensorSpec("x", ("batch", 2)),), ())
    seen = {"x": np.array([[1, 2], [3, 4]], np.float32)}
    assert batch_of(network, seen, 3)["x"].tolist() == [[1, 2], [3, 4], [1, 2]]
    assert batch_of(network, None, 3)["x"].shape == (3, 2)
    assert len(batch_of(replace(network, batch=4), seen, 1)["x"]) == 4
    assert shaped(network, shape_of("n:6x2").sizes)["x"].shape == (6, 2)


def test_a_third_party_scenario_is_enough():
    class Once(Scenario):
        def measure(self, limits):
            trial = yield lambda system: ask(system, 0.0, 2)
            return Outcome([trial], {"own": 7.0}, steady=False)

    system = Alone(Counted(), {"x": np.zeros((1, 1), np.float32)})
    (measured,), _ = measure_together(Once(), [system], replace(PROFILES["quick"], warm=0.0))
    assert measured.outcome.numbers == {"own": 7.0} and measured.outcome.trials[0].items == 2


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_throttling_that_the_machine_admits_is_a_reason(tmp_path):
    hot = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    write(tmp_path, {hot: "3", "sys/fs/cgroup/cpu.stat": "nr_periods 9\nthrottled_usec 1000000\n",
                     "proc/stat": "cpu  100 0 100 0 0 0 0 0 0 0\n"})  # fmt: skip
    before = Conditions.read(tmp_path)
    write(tmp_path, {hot: "5", "sys/fs/cgroup/cpu.stat": "nr_periods 9\nthrottled_usec 9000000\n",
                     "proc/stat": "cpu  300 0 100 0 0 0 0 100000 0 0\n"})  # fmt: skip
    after = replace(Conditions.read(tmp_path), at=before.at + 10, own=before.own + 0.5)
    text = "; ".join(reasons_between(before, after))
    assert "too hot 2 times" in text and "held processes back for 8.00 s" in text and "other guests" in text
    assert others_between(before, after) == pytest.approx(0.15)
    nothing = Conditions.read(tmp_path / "nowhere")
    assert reasons_between(nothing, nothing) == [] and others_between(nothing, nothing) is None


def test_energy_is_read_where_the_machine_shows_it(tmp_path):
    package = "sys/class/powercap/intel-rapl:0/"
    write(tmp_path, {f"{package}name": "package-0", f"{package}energy_uj": "900000000",
                     f"{package}max_energy_range_uj": "1000000000",
                     "sys/class/powercap/intel-rapl:0:0/name": "core"})  # fmt: skip
    energy = Energy.find(tmp_path)
    before = energy.read()
    assert energy.measures and before == {"package-0 0": 900.0}
    write(tmp_path, {f"{package}energy_uj": "100000000"})  # it began anew
    assert energy.since(before) == {"package-0 0": pytest.approx(200.0)}
    (tmp_path / package / "energy_uj").write_text("")
    assert "root only" in Energy.find(tmp_path).missing[0]
    assert "shows no energy counters" in Energy.find(tmp_path / "nowhere").missing[0]


def test_the_peak_is_measured_and_the_roof_is_the_lower_of_two():
    peak = measure_peak(0.02)
    assert peak.macs_per_second > 1e8 and peak.bytes_per_second > 1e8
    known = Peak(100.0, 10.0, "x")
    assert (known.roof(50, 1), known.bound(50, 1)) == (100.0, "compute")
    assert (known.roof(50, 100), known.bound(50, 100)) == (5.0, "memory")
    assert better(known, Peak(50.0, 20.0, "y")) == Peak(100.0, 20.0, "x")


def test_memory_is_of_this_process_and_its_children():
    import subprocess
    import sys

    with most_memory() as most:
        block = np.ones(20 << 20, np.uint8)
        child = "import time; x = bytearray(60 << 20); time.sleep(0.5)"
        subprocess.run([sys.executable, "-c", child], check=True)
    assert most.own > len(block) / 1e6
    assert most.children == 0 or most.children > 60
    assert json.dumps({"children": most.children})
