"""Records that somebody else wrote: each value of another type is read soundly by whatever shows records."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faceport.errors import FaceportError
from faceport.runs.record import Record, RecordError, Samples, Timing, merge
from faceport.verbs.show.summary import markdown, summarise
from faceport.verbs.show.terminal import show_run

STAGE = {"count": 30, "items": 30, "total_s": 1.0, "mean_ms": 33.3, "p50_ms": 30.0, "buckets": {"1350": 30}}
OUTPUT = {"max_rel": 1e-6, "snr_db": 120.0}
WHOLE = Record(
    "done",
    {
        "model": {"name": "retinaface_mobilenet", "size": 64},
        "target": {"name": "onnxruntime", "precision": "int8"},
        "dataset": {"name": "synthetic"},
        "metric": {"latency": None, "agreement": {"iou": 0.5}},
        "calibration": {"samples": 4, "dataset": {"name": "synthetic"}},
        "limit": None,
    },
    samples=Samples(30, 29, 0, 0, 1, {"a.jpg": "it is empty"}),
    timing=Timing(30, 1.0, 30.0, {"decode": STAGE, "service_time": STAGE}, {"workers": 2}),
    metrics={"agreement": {"protocol": "v1", "ap": 0.9, "interval": {"ap": [0.8, 1.0]}}},
    weights={"retinaface": {"source": "random", "random": True, "seed": 0}},
    artifacts={
        "retinaface": {"key": "0", "bytes": 10, "versions": {}, "runs_as": {"runtime": "onnxruntime"}}
    },
    parity={"retinaface": {"calls": 1, "outputs": {"loc": OUTPUT}}},
    times_as_fast_as_fp32={"retinaface": 2.0},
    settled={"model": {"size": 64}},
    data={"protocol": "v1", "pictures": 30},
    host={"cores": 2},
    versions={"numpy": "2"},
    notes=["a note"],
    faceport="0.1.0",
)
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
ODD = [None, 5, -1.5, True, "\x1b[31m", [], {}, [1], {"a": 1}, {"a": {"b": [{}]}}, 10**400, DEEP]


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the places of all values of plain data."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from places(item, (*above, key))


def damaged() -> Iterator[tuple[tuple[Any, ...], Any, dict[str, Any]]]:
    whole = json.loads(json.dumps(WHOLE.plain()))
    for place in places(whole):
        for odd in ODD:
            content = copy.deepcopy(whole)
            holder: Any = content
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = odd
            yield place, odd, content


def test_a_value_of_another_type_is_refused_or_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = pytest.importorskip("faceport_report.content")
    numbers = pytest.importorskip("faceport_report.numbers")
    durations = pytest.importorskip("faceport_report.durations")
    repeating = pytest.importorskip("faceport_report.repeating")
    path, read = tmp_path / "record.json", 0
    for place, odd, damage in damaged():
        path.write_text(json.dumps(damage))
        try:
            record = Record.read(path)
        except RecordError:
            continue
        assert record is not None
        read += 1
        try:
            show_run(record)
            markdown(summarise([record, WHOLE]))
            numbers.numbers_of(record)
            numbers.basis(record, "agreement.ap")
            content.stages(record)
            content.percentiles(record)
            durations.time_intervals(record)
            repeating.command(record.config)
            merge([record, WHOLE])
        except FaceportError:
            continue
        except Exception as error:
            raise AssertionError(f"{place} = {odd!r:.40}: {type(error).__name__}: {error}") from error
        said = capsys.readouterr()
        assert "\x1b" not in said.out + said.err, place
    assert read > 100


def test_what_is_wrong_is_named_with_its_place(tmp_path: Path) -> None:
    content = json.loads(json.dumps(WHOLE.plain()))
    content["timing"]["stages"]["decode"]["buckets"]["1350"] = "many"
    (tmp_path / "record.json").write_text(json.dumps(content))
    sentence = r"'timing\.stages\.decode\.buckets\.1350' is 'many', it must be a whole number"
    with pytest.raises(RecordError, match=sentence):
        Record.read(tmp_path / "record.json")


def test_what_is_deep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(json.dumps({**WHOLE.plain(), "data": {"x": DEEP}}))
    with pytest.raises(RecordError, match="too deep in one another"):
        Record.read(tmp_path / "record.json")
