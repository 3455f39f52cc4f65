"""Records in tables, compared, chosen among and on a page; what cannot be believed is left out and named."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from faceport.api import Scored
from faceport.errors import ConfigError, FaceportError
from faceport.plugins.loading import create
from faceport.runs.record import Record, Samples, Timing
from faceport.types import Faces
from tests.cli import SMALL, faceport

report = pytest.importorskip("faceport_report.report")

from faceport.runs.records import Run, gather, one  # noqa: E402
from faceport_report.changes import changes  # noqa: E402
from faceport_report.compare import compare  # noqa: E402
from faceport_report.content import percentiles  # noqa: E402
from faceport_report.decide import decide  # noqa: E402
from faceport_report.paired import jackknife  # noqa: E402
from faceport_report.repeat import check_trust, close, judged  # noqa: E402
from faceport_report.runs import Runs, RunsOptions, tabulate  # noqa: E402

EVIL = '</script><img src="x" onerror="alert(1)"><b>=2+5'


def record(ap=0.8, ms=10.0, name="retinaface_mobilenet", status="done", half=0.01, **more):
    """Make the record of a run that never was."""
    buckets = {str(1000 + at): 10 for at in range(-5, 5)}
    service = {
        "count": 100,
        "items": 100,
        "total_s": ms / 10,
        "mean_ms": ms,
        "p50_ms": ms,
        "buckets": buckets,
    }
    return Record(
        status=status,
        config={
            "model": {"name": name},
            "target": {"name": more.pop("target", "onnxruntime"), "precision": more.pop("precision", "fp32")},
            "dataset": {"name": "synthetic", "count": 100},
            "out": "runs",
        },
        samples=Samples(total=100, predicted=100),
        timing=Timing(
            samples=100, seconds=ms / 10, samples_per_second=1e3 / ms, stages={"service_time": service}
        ),
        metrics={"widerface_ap": {"protocol": "x", "hard": ap, "interval": {"hard": [ap - half, ap + half]}}},
        artifacts={"net": {"bytes": 2_000_000, "runs_as": {"device": "cpu"}}},
        host={"machine": "x86_64"},
        **more,
    )


def page_of(places, out):
    return report.Report(report.ReportOptions(places, out=out)).act({})


def write(folder, *records):
    for number, made in enumerate(records):
        made.write(folder / f"r{number}" / "record.json")
    return gather([str(folder)]).runs


def test_altered_old_and_half_written_records_are_named_and_left_out(tmp_path):
    write(tmp_path, *[record(ap=0.5 + at / 100) for at in range(5)])
    path = tmp_path / "r0" / "record.json"
    path.write_text(path.read_text().replace('"hard": 0.5', '"hard": 0.9'))
    path = tmp_path / "r1" / "record.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    path = tmp_path / "r2" / "record.json"
    path.write_text(path.read_text()[:300])
    path = tmp_path / "r3" / "record.json"
    content = json.loads(path.read_text())
    del content["sha256"]
    path.write_text(json.dumps(content))
    (tmp_path / "r5").mkdir()
    (tmp_path / "r5" / "fingerprint.txt").write_text("begun")
    found = gather([str(tmp_path)])
    assert [run.record.metrics["widerface_ap"]["hard"] for run in found.runs] == [0.54]
    reasons = "\n".join(found.refused)
    for at, words in enumerate(
        ("r0/record.json was altered", "format 1", "r2/record.json is damaged", "r3/record.json has no hash")
    ):
        assert words in reasons, at
    assert "r5 has no record.json: its run was interrupted" in reasons
    assert len(found.refused) == 5


def test_the_same_record_in_two_places_counts_once(tmp_path):
    made = record()
    made.write(tmp_path / "a" / "record.json")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "record.json").write_text((tmp_path / "a" / "record.json").read_text())
    assert len(gather([str(tmp_path)]).runs) == 1


def test_runs_sorts_filters_and_marks_the_best(tmp_path):
    write(tmp_path, record(0.7), record(0.9, precision="int8"), record(0.8, 5, target="openvino"))
    outcome = Runs(RunsOptions(sort="-widerface_ap.hard", folder=str(tmp_path))).act({})
    at = [column.title for column in outcome.columns].index("hard↑")
    assert [row[at].text.split()[0] for row in outcome.rows] == ["0.9000", "0.8000", "0.7000"]
    assert outcome.rows[0][at].text.endswith("*") and not outcome.rows[1][at].text.endswith("*")
    few = Runs(RunsOptions(filters=["openvino"], folder=str(tmp_path))).act({})
    assert len(few.rows) == 1
    with pytest.raises(ConfigError, match="no record has this number"):
        Runs(RunsOptions(sort="nothing.here", folder=str(tmp_path))).act({})


def test_a_terminal_gets_whole_columns_that_fit(tmp_path):
    from faceport.verbs.show.table import lines, plain
    from faceport_report.fit import fitting

    runs = write(tmp_path, record(0.7), record(0.9, precision="int8"), record(0.8, 5, target="openvino"))
    columns, rows = tabulate([*runs], [])
    for width in (80, 50, 40):
        kept = fitting(columns, rows, width)
        assert len(kept) > 1
        written = [
            *map(plain, lines([columns[i] for i in kept], [[r[i] for i in kept] for r in rows], width))
        ]
        assert max(map(len, written)) <= width
        assert sum("onnxruntime" in line for line in written) == 2  # one table, names unbroken


def test_numbers_of_other_data_are_not_compared(tmp_path):
    other = record(0.99, precision="int8")
    other = replace(other, config={**other.config, "dataset": {"name": "synthetic", "count": 3}})
    runs = write(tmp_path, record(0.7), other)
    decision = decide(runs)
    assert decision.runner_up is None
    assert "not to be compared" in dict(decision.against)[0]


def test_a_decision_names_winner_margin_and_what_stood_against_the_others(tmp_path):
    runs = write(
        tmp_path,
        record(0.80, 10),
        record(0.85, 30, precision="int8"),
        record(0.70, 5, target="openvino"),
        record(0.75, 9, target="mnn"),
        record(0.99, 1, target="torch", status="incomplete", reason="3 pictures are missing"),
        record(0.99, 1, target="ncnn", weights={"net": {"random": True}}),
    )
    targets = [run.record.config["target"]["name"] for run in runs]
    decision = decide(runs, most="latency.p50_ms=20", least="hard=0.72")
    assert decision.winner is not None and targets[decision.winner] == "onnxruntime"
    assert decision.runner_up is not None and targets[decision.runner_up] == "mnn"
    assert "better by 0.0500" in decision.margin and "0.0359 to 0.0641" in decision.margin
    against = {targets[at]: why for at, why in decision.against}
    assert against["openvino"] == "widerface_ap.hard is 0.7000, at least 0.72 was asked for"
    assert "3 pictures are missing" in against["torch"]
    assert "random" in against["ncnn"]
    assert "energy" in decision.unmeasured
    close_call = decide(write(tmp_path / "b", record(0.80), record(0.81, precision="int8")))
    assert "within chance" in close_call.margin


def test_what_was_not_measured_keeps_no_bound(tmp_path):
    measured = record(precision="int8", times_as_fast_as_fp32={"net": 0.5})
    decision = decide(write(tmp_path, record(), measured), least="times_fp32=1")
    assert decision.winner is None
    assert {why.partition(",")[0] for _, why in decision.against} == {
        "speed.times_fp32 was not measured",
        "speed.times_fp32 is 0.5000",
    }


def test_what_nobody_measured_is_named_with_what_measures_it(tmp_path):
    pytest.importorskip("faceport_bench")
    runs = write(tmp_path, record(), record(precision="int8"))
    for asked in (
        {"best": "energy"},
        {"most": "energy.joules_each=1"},
        {"least": "energy=1", "best": "widerface_ap.hard"},
    ):
        decision = decide(runs, **asked)
        assert decision.winner is None
        assert decision.against[0][1] == "energy.joules_each was not measured"
        assert "energy.joules_each (faceport bench measures it" in decision.unmeasured[0]
    with pytest.raises(ConfigError, match="no record has this number"):
        decide(runs, best="beauty")


def test_batch_sizes_are_chosen_among_where_queries_came_alike(tmp_path):
    def benched(ms, rows, verb):
        made = record(ms=ms, verb=verb)
        timing = replace(made.timing, loaded={"scenario": "single_stream", "batch_size": rows})
        numbers = {**made.metrics, "query": {"protocol": "v1", "p50_ms": ms}}
        return replace(made, timing=timing, metrics=numbers, config={**made.config, "batch_size": rows})

    runs = write(tmp_path / "bench", benched(9.0, 1, "bench"), benched(8.0, 4, "bench"))
    decision = decide(runs, best="query.p50_ms")
    assert decision.runner_up is not None and "better by 1.0000" in decision.margin
    runs = write(tmp_path / "run", benched(9.0, 1, "run"), benched(8.0, 4, "run"))
    assert decide(runs, best="latency.p50_ms").runner_up is None  # a picture waits for its batch there


def test_bounds_that_cannot_be_read_say_how(tmp_path):
    runs = write(tmp_path, record())
    with pytest.raises(ConfigError, match="write METRIC.NUMBER=VALUE"):
        decide(runs, most="latency.p50_ms<20")
    with pytest.raises(ConfigError, match="nobody says whether higher"):
        decide(write(tmp_path / "odd", _odd()), best="odd.number")


def _odd():
    return replace(record(), metrics={"odd": {"number": 1.0}})


@pytest.mark.parametrize(
    ("condition", "code"),
    [("hard<-0.01", 1), ("hard<-0.2", 0), ("latency.p50_ms>5%", 1), ("latency.p50_ms>300%", 0)],
)
def test_conditions_fail_in_ci(tmp_path, condition, code):
    runs = write(tmp_path, record(0.80, 10), record(0.70, 30, precision="int8"))
    first, second = sorted(runs, key=lambda run: run.record.config["target"]["precision"])
    outcome = compare(first, second, condition)
    assert bool(outcome.failures) == bool(code)
    change = outcome.changes[0]
    assert (change.key, change.before, change.after) == ("target.precision", "fp32", "int8")


def _scored(count, seed, spoiled=0.0):
    """Make pictures with three faces each; a share of what was found lies elsewhere."""
    truth, luck = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    items = []
    for at in range(count):
        corners = truth.uniform(0, 300, (3, 2)) + np.arange(3)[:, None] * 400
        boxes = np.hstack([corners, corners + 60]).astype(np.float32)
        scores = truth.uniform(0.5, 1, 3).astype(np.float32)
        found = boxes + truth.normal(0, 4, boxes.shape).astype(np.float32)
        found[luck.random(3) < spoiled] += 1000
        items.append(Scored(f"{at:05d}", Faces(boxes=found, scores=scores), Faces(boxes=boxes)))
    return items


def test_half_a_percent_of_ap_is_found_on_3226_pictures_and_nothing_where_nothing_is():
    metric = create("metric", "widerface_ap", levels=["all"], bootstrap=0)
    plain, spoiled = _scored(3226, 1), _scored(3226, 1, spoiled=0.0022)
    values = [metric.compute(iter(items))["all"] for items in (plain, spoiled)]
    assert 0.004 < values[0] - values[1] < 0.006
    low, high = jackknife(metric, plain, spoiled)["all"]
    assert low < high < 0
    run = _scored(800, 1, spoiled=0.05)
    low, high = jackknife(metric, _resampled(run, 5), _resampled(run, 6))["all"]
    assert low <= 0 <= high


def _resampled(items, seed):
    """Draw as many pictures again, under the names of the first ones."""
    drawn = np.random.default_rng(seed).integers(0, len(items), len(items))
    return [Scored(item.id, items[at].faces, items[at].truth) for item, at in zip(items, drawn, strict=True)]


def test_what_held_lies_within_its_interval(tmp_path):
    runs = write(tmp_path, record(0.80, 10), record(0.805, 11, precision="int8"))
    by = {run.record.config["target"]["precision"]: run for run in runs}
    outcome = judged(compare(by["fp32"], by["int8"]))
    assert "widerface_ap.hard" in outcome.held and "latency.mean_ms" in outcome.held and not outcome.failed
    assert not close(0.8, 0.9, (0.7, 0.85), 1e-6) and close(0.8, 0.8, None, 1e-6)


def test_percentiles_come_of_the_histogram_and_of_enough_durations():
    found = percentiles(record())
    assert found[0] is None and found[-1] is None  # one of a hundred lies beyond
    assert all(a <= b for a, b in pairwise(found[2:8]))
    assert found[4] == pytest.approx(1e-4 * 1.01 ** (1000 - 1 + 0.5), rel=0.02)


def test_what_comes_from_data_is_escaped_everywhere(tmp_path):
    pytest.importorskip("plotly")
    made = [record(name=EVIL, notes=[EVIL]), record(0.7, name=EVIL, status="failed", reason=EVIL)]
    write(tmp_path / "in", *made)
    for out in ("a.html", "a.md", "a.csv"):
        page_of([str(tmp_path / "in")], str(tmp_path / out))
    page = (tmp_path / "a.html").read_text()
    assert "<img src" not in page.replace("<img alt", "") and 'onerror="alert' not in page
    assert page.lower().count("</script") == 4  # those of the page itself
    lines = (tmp_path / "a.md").read_text().splitlines()
    assert not any("<img" in line.replace("\\<img", "") for line in lines if line[:4] != "    ")  # code
    evil = write(tmp_path / "two", record(name="=cmd|x", reason="@SUM(1)"))
    assert evil
    page_of([str(tmp_path / "two")], str(tmp_path / "b.csv"))
    row = next(csv.DictReader(io.StringIO((tmp_path / "b.csv").read_text())))
    assert (
        row["model"] == "'=cmd|x" and row["reason"] == "'@SUM(1)" and float(row["widerface_ap.hard"]) == 0.8
    )


def test_a_page_of_a_thousand_records_is_small(tmp_path):
    pytest.importorskip("plotly")
    many = [record(0.5 + at / 5000, 5 + at, name=f"model{at % 40}") for at in range(1000)]
    write(tmp_path / "in", *many)
    outcome = page_of([str(tmp_path / "in")], str(tmp_path / "p.html"))
    assert outcome.runs == 1000
    assert outcome.path.stat().st_size < 10e6


def diagnosis(node="Conv_0"):
    """Make the record of a diagnosis of two nodes."""
    said = {"op": "Conv", "own": 0.01, "so_far": 0.02, "at_end": None}
    nodes = [{"node": node, **said}, {"node": "Add_1", **said}]
    values = {"worst_at_end": 0.01, "networks": {"net": nodes}, "departs_at": {"net": node}}
    return replace(record(), verb="diagnose", metrics={"nodes": values}, timing=Timing(), artifacts={})


def test_the_error_by_node_is_on_the_page_and_diagnoses_are_no_runs(tmp_path):
    pytest.importorskip("plotly")
    write(tmp_path / "in", record(0.8), diagnosis(EVIL))
    outcome = page_of([str(tmp_path / "in")], str(tmp_path / "p.html"))
    page = (tmp_path / "p.html").read_text()
    data = json.loads(page.partition("id=data>")[2].partition("</script>")[0])
    (drawn,) = data["nodes"]
    assert outcome.runs == len(data["rows"]) == 1
    assert (
        drawn["own"] == [0.01, 0.01]
        and drawn["at_end"] == [None, None]
        and drawn["names"][1] == "Add_1 (Conv)"
    )
    assert EVIL not in page.partition("id=data>")[2].partition("</script>")[0]
    write(tmp_path / "alone", diagnosis())
    assert page_of([str(tmp_path / "alone")], str(tmp_path / "q.html")).decision.winner is None


def test_nothing_to_report_is_said(tmp_path):
    with pytest.raises(FaceportError, match="no record to report on"):
        page_of([str(tmp_path)], str(tmp_path / "x.md"))
    with pytest.raises(ValueError, match="must end in"):
        report.ReportOptions(out="x.pdf")


@pytest.mark.slow
def test_a_run_is_repeated_compared_and_reported_from_the_command_line(tmp_path):
    pytest.importorskip("plotly")
    words = [*SMALL, "dataset.count=6", "metric=[widerface_ap,latency]", "metric.widerface_ap.levels=[all]"]
    faceport("run", "-m", *words, "target.precision=fp32,int8", folder=tmp_path)
    runs = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.glob("runs/*/record.json"))
    assert "int8" in faceport("runs", folder=tmp_path)
    assert "target.precision" in faceport("compare", *runs[:2], folder=tmp_path)
    said = faceport("repeat", runs[0], folder=tmp_path)
    assert "held: " in said and "widerface_ap.all" in said
    assert one(str(tmp_path / runs[0])).scored
    assert "2 runs: report.html" in faceport("report", "runs", folder=tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 2 and '"Precision and recall"' in page


def test_a_record_of_a_stranger_chooses_no_programs():
    target = {"name": "ascend", "env_script": "./evil.sh"}
    run = Run(Path("theirs/record.json"), Record("done", {"model": {"name": "x"}, "target": target}))
    with pytest.raises(ConfigError, match="theirs/record.json is of target=ascend, which runs .* trust=true"):
        check_trust(run, trust=False)
    check_trust(run, trust=True)


def test_weights_that_only_lie_elsewhere_are_no_change():
    def of(path, digest):
        made = record(weights={"net": {"source": path, "path": path, "sha256": digest}})
        return replace(made, config={**made.config, "model": {"name": "net", "weights": path}})

    assert changes(of("/a/net.pth", "1f"), of("/b/net.pth", "1f")) == []
    found = changes(of("/a/net.pth", "1f"), of("/b/net.pth", "2e"))
    assert {one.key for one in found} == {"model.weights", "net.source", "net.path", "net.sha256"}
