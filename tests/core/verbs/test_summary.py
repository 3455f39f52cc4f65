"""Tables of many records."""

from dataclasses import replace

from faceport.runs.record import Record
from faceport.verbs.show.summary import summarise


def record(norm: str, nme: float) -> Record:
    return Record(
        status="done",
        config={"model": {"name": "pipnet"}, "metric": {"landmarks": {"norm": norm}}},
        data={"protocol": "WFLW test"},
        metrics={"landmarks": {"protocol": f"pipnet v1, {norm}", "nme": nme, "faces": 10}, "latency": {}},
        notes=["weights are random"],
    )


def test_every_protocol_is_named():
    found = summarise(
        [record("inter_ocular", 0.05), record("inter_pupil", 0.07), record("inter_ocular", 0.06)]
    )
    assert found.columns == ("metric.landmarks.norm", "landmarks.nme", "per second", "status")
    assert found.rows[1] == ("inter_pupil", "0.0700", "", "done")
    assert found.notes == (
        "data by protocol WFLW test",
        "landmarks by protocol pipnet v1, inter_ocular",
        "landmarks by protocol pipnet v1, inter_pupil",
        "weights are random",
    )


def test_a_note_of_some_rows_names_them():
    slow = replace(record("inter_pupil", 0.07), notes=["weights are random", "int8 is slow"])
    found = summarise([record("inter_ocular", 0.05), slow])
    assert found.notes[-2:] == ("weights are random", "inter_pupil: int8 is slow")
    slow_too = [replace(slow, config={"model": {"name": f"m{number}"}}) for number in range(5)]
    found = summarise([record("inter_ocular", 0.05), *slow_too])
    assert found.notes[-1] == "m0, m1, m2 and 2 more: int8 is slow"


def test_failures_have_no_protocol():
    failed = Record("failed", {}, "no torch")
    found = summarise([failed, failed])
    assert found.reasons == ("no torch",)
    assert found.notes == ()
