"""Tables of many records."""

from dataclasses import replace

import pytest

from faceport.runs.record import Record, Timing
from faceport.verbs.show.quantities import means_nothing
from faceport.verbs.show.summary import NONE, SAME, Summary, markdown, summarise

ALWAYS = ["per second↑", "times fp32↑", "MB↓"]


def record(nme: float = 0.05, **config) -> Record:
    """Make the record of a run; words of its configuration by group."""
    return Record(
        status="done",
        config={"model": {"name": "pipnet"}, "metric": {"landmarks": {"norm": "inter_ocular"}}, **config},
        data={"protocol": "WFLW test"},
        metrics={"landmarks": {"protocol": "pipnet v1", "nme": nme, "faces": 10}, "latency": {}},
        notes=["weights are random"],
    )


def on(target: str, **numbers) -> Record:
    """Make the record of a run on a target, with an interval of each number."""
    values = {name: value for name, (value, _) in numbers.items()}
    intervals = {name: list(interval) for name, (_, interval) in numbers.items() if interval}
    made = record(target={"name": target})
    return replace(made, metrics={"landmarks": {**values, "interval": intervals}})


def titles(found: Summary) -> list[str]:
    return [column.title for column in found.columns]


def column(found: Summary, title: str) -> list[str]:
    at = titles(found).index(title)
    return [row[at].text for row in found.rows]


def styles(found: Summary, title: str) -> list[str]:
    at = titles(found).index(title)
    return [row[at].style for row in found.rows]


def test_what_differs_comes_first_and_costs_have_columns_always():
    found = summarise([record(target={"name": name, "threads": 1}) for name in ("onnxruntime", "openvino")])
    assert titles(found) == ["target", "status", "nme↓", *ALWAYS]
    assert found.columns[2].above == "landmarks"
    assert column(found, "target") == ["onnxruntime", "openvino"]
    assert column(found, "status") == ["done", "done"]
    assert column(found, "MB↓") == [NONE, NONE]


def test_costs_are_those_of_the_record():
    measured = replace(
        record(),
        timing=Timing(10, 1.0, 10.0),
        times_as_fast_as_fp32={"a": 2.0, "b": 1.5},
        artifacts={"a": {"bytes": 1_500_000}, "b": {"bytes": 500_000}},
    )
    (row,) = summarise([measured]).rows
    assert [cell.text for cell in row[-3:]] == ["10.0", "1.50 to 2.00", "2.0"]


def test_options_are_called_by_their_last_names_where_these_tell_them_apart():
    made = [
        record(model={"name": "a", "size": size}, detector={"name": "b", "size": size}, batch_size=size)
        for size in (1, 2)
    ]
    assert titles(summarise(made))[:3] == ["model.size", "detector.size", "batch_size"]


def test_options_of_metrics_are_no_columns():
    two = [
        record(metric={"landmarks": {"norm": "inter_ocular"}}, target={"name": "a"}),
        record(metric={"landmarks": {"norm": "inter_pupil"}}, target={"name": "b"}),
    ]
    assert "norm" not in " ".join(titles(summarise(two)))
    other = [record(metric={"landmarks": {"norm": "x"}}), record(metric={"verification": {"folds": 10}})]
    found = summarise(other)
    assert titles(found)[0] == "metric"
    assert column(found, "metric") == ["landmarks", "verification"]
    assert "folds" not in titles(found)


def test_rows_that_nothing_else_tells_apart_name_the_option_of_a_metric():
    two = [record(metric={"landmarks": {"norm": norm}}) for norm in ("inter_ocular", "inter_pupil")]
    assert column(summarise(two), "norm") == ["inter_ocular", "inter_pupil"]


def test_experiments_are_named_and_what_differs_between_them():
    two = [record(model={"name": "pipnet", "size": size}) for size in (1, 2)]
    found = summarise(two, [{"experiment": "quick"}, {"experiment": "night"}])
    assert titles(found)[:2] == ["experiment", "size"]
    assert column(found, "experiment") == ["quick", "night"]


def test_better_by_chance_is_marked_and_not_bold():
    fp32 = on("fp32", nme=(0.050, (0.046, 0.054)))
    int8 = on("int8", nme=(0.048, (0.044, 0.052)))
    found = summarise([fp32, int8])
    assert column(found, "nme↓") == [f"0.0500 ±0.004 {SAME}", "0.0480 ±0.004"]
    assert styles(found, "nme↓") == ["", ""]
    assert any(sign.startswith(SAME) for sign in found.legend)


def test_better_beyond_chance_is_bold():
    small, large = on("small", nme=(0.07, (0.068, 0.072))), on("large", nme=(0.05, (0.048, 0.052)))
    found = summarise([small, large, large])
    assert column(found, "nme↓") == ["0.0700 ±0.002", "0.0500 ±0.002", "0.0500 ±0.002"]
    assert styles(found, "nme↓") == ["", "bold", "bold"]


def test_where_nobody_knows_of_chance_nothing_is_marked():
    found = summarise([on("a", nme=(0.07, None)), on("b", nme=(0.05, None))])
    assert column(found, "nme↓") == ["0.0700", "0.0500"]
    assert styles(found, "nme↓") == ["", ""]


def test_numbers_of_other_pictures_are_not_compared():
    sharp = (0.049, 0.051)
    made = [replace(on("a", nme=(0.05, sharp)), config={"limit": limit}) for limit in (10, 20)]
    worse = replace(on("a", nme=(0.07, (0.069, 0.071))), config={"limit": 20})
    assert styles(summarise([*made, worse]), "nme↓") == ["", "bold", ""]


def test_protocols_and_notes_of_some_rows_name_them():
    slow = replace(record(target={"name": "slow"}), notes=["weights are random", "int8 is slow"])
    failed = Record("failed", {**slow.config, "target": {"name": "other"}}, "no torch")
    found = summarise([record(target={"name": "quick"}), slow, failed])
    assert found.notes == (
        "data by protocol WFLW test",
        "landmarks by protocol pipnet v1",
        "weights are random",
        "slow: int8 is slow",
    )
    assert found.reasons == ("no torch",)
    slow_too = [replace(slow, config={"model": {"name": f"m{number}"}}) for number in range(5)]
    found = summarise([record(), *slow_too])
    assert found.notes[-1] == "m0, m1, m2 and 2 more: int8 is slow"


def test_failures_have_no_protocol():
    failed = Record("failed", {}, "no torch")
    found = summarise([failed, failed])
    assert found.reasons == ("no torch",)
    assert found.notes == ()


def test_numbers_of_an_incomplete_run_are_marked_and_beat_nobody():
    lacking = replace(on("a", nme=(0.05, (0.049, 0.051))), status="incomplete", reason="3 are missing")
    whole = [on(name, nme=(value, (value, value))) for name, value in (("b", 0.06), ("c", 0.07))]
    found = summarise([lacking, *whole])
    assert column(found, "nme↓")[0] == "0.0500 ±0.001 !"
    assert styles(found, "nme↓") == ["", "bold", ""]
    assert "! of an incomplete run" in found.legend


@pytest.mark.parametrize("status", ["failed", "waiting"])
def test_a_status_leads_to_its_reason(status):
    found = summarise([record(), replace(record(), status=status, reason="no | torch")])
    assert column(found, "status") == ["done", f"{status} (1)"]
    assert r"(1) no \| torch" in markdown(found)


def test_markdown_has_the_same_columns():
    small, large = on("small", nme=(0.07, (0.068, 0.072))), on("large", nme=(0.05, (0.048, 0.052)))
    heading, line, first, second, *_ = markdown(summarise([small, large])).splitlines()
    assert heading == f"| target | status | landmarks nme↓ | {' | '.join(ALWAYS)} |"
    assert line.count("---") == 6
    assert "| small | done | 0.0700 ±0.002 |" in first
    assert "| **0.0500 ±0.002** |" in second


def test_labels_say_nothing_of_random_weights_whoever_reads_them():
    drawn = replace(record(), weights={"net": {"random": True}})
    assert means_nothing(drawn, "widerface_ap") and means_nothing(drawn, "of_a_plugin_that_is_not_installed")
    assert not any(
        means_nothing(drawn, metric) for metric in ("latency", "agreement", "work", "query", "size")
    )
    assert not means_nothing(record(), "widerface_ap")
