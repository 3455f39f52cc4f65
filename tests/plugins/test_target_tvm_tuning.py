import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from faceport.errors import FaceportError, MissingError
from faceport.networks.parity import compare_calls, worst
from faceport.plugins.loading import create
from faceport.progress import progress
from faceport_tvm.tuning import silence_but_python
from tests.plugins.toys import build, builder, images, network, reference

TRIALS = 12  # of the six kernels that take most toys


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def target(**options: Any) -> Any:
    return create("target", "tvm", **options)


@pytest.mark.slow
def test_tuned_networks_answer_as_before_and_other_weights_need_no_trials(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = network("free")
    tuned = target(tuning=TRIALS, batch=2)
    session = build(tuned, "tvm", made, tmp_path).sessions["free"]
    assert session.facts["tuning"] == f"{TRIALS} trials" and session.facts["batch"] == "2"
    assert session.facts["mcpu"] == tuned.recipe()["mcpu"] != "baseline"
    calls = [images(3, 3, 20, 28), images(1, 3, 20, 28, seed=2)]
    assert worst(compare_calls([reference(made, call) for call in calls], session.run_many(calls)))[1] < 1e-4

    (records,) = cache.glob("tuning/*/database_tuning_record.json")
    times = [json.loads(line)[1][1] for line in records.read_text().splitlines()]
    assert len(times) >= TRIALS and all(0 < float(seconds[0]) < 10 for seconds in times)

    def tune(*_: Any) -> None:
        raise AssertionError("tuned again")

    monkeypatch.setattr("faceport_tvm.tuning.tune", tune)
    other = dataclasses.replace(made, weights="random:7")
    session = build(tuned, "tvm", other, tmp_path).sessions["free"]
    assert worst(compare_calls([reference(other, calls[0])], [session.run(calls[0])]))[1] < 1e-4
    with pytest.raises(FaceportError, match="tuned again"):  # another seed is another search
        build(target(tuning=TRIALS, batch=2, seed=1), "tvm", made, tmp_path)


def test_a_bar_is_drawn_while_the_library_is_silenced() -> None:
    pytest.importorskip("rich")
    master, slave = os.openpty()
    kept = os.dup(2)
    os.dup2(slave, 2)
    try:
        with silence_but_python(), progress("tuning", 2) as shown:
            shown._next = 0.0
            shown.advance()
            os.write(2, b"chatter of the library")
        print("afterwards", file=sys.stderr)  # nothing has closed it
    finally:
        os.dup2(kept, 2)
        os.close(slave)
    drawn = os.read(master, 65536).decode()
    assert "tuning" in drawn and "1 of 2" in drawn and "chatter" not in drawn
    os.close(master)
    os.close(kept)


def test_too_few_trials_are_refused(tmp_path: Path) -> None:
    said = (
        r"target.tuning=1 is too little for network 'fixed', which has [2-9] kernels: give at least [2-9]; "
    )
    with pytest.raises(FaceportError, match=said):
        build(target(tuning=1), "tvm", network("fixed"), tmp_path)


def test_a_pair_of_packages_that_crashes_is_found_out_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = builder(target(tuning=50), "tvm", network("fixed"), tmp_path)
    monkeypatch.setattr("faceport_tvm.tuning.PROBE", "import os; os.abort()")
    with pytest.raises(
        MissingError, match=r"apache-tvm-ffi .*, which crash together: pip install 'apache-tvm-ffi"
    ):
        kit.build()


def test_only_cpus_are_tuned_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = builder(target(), "tvm", network("fixed"), tmp_path)
    kit = dataclasses.replace(kit, target=target(kind="cuda", tuning=50))
    monkeypatch.setattr(type(kit.target), "missing", lambda self: "")  # as where there is a GPU
    with pytest.raises(FaceportError, match="target.tuning .* needs target.kind=llvm"):
        kit.build()


def test_code_for_a_cpu_is_refused_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2 = pytest.importorskip("cv2")
    try:
        made = network("fixed")
        built = build(target(mcpu="x86-64-v3"), "tvm", made, tmp_path)
    except FaceportError as error:
        pytest.skip(str(error))
    session = built.sessions["fixed"]
    assert session.facts["mcpu"] == "x86-64-v3" and session.facts["tuning"] == "none"
    call = images(2, 3, 16, 16)
    assert worst(compare_calls([reference(made, call)], [session.run(call)]))[1] < 1e-4
    supported = cv2.checkHardwareSupport
    monkeypatch.setattr("cv2.checkHardwareSupport", lambda number: number != 11 and supported(number))
    said = "compiled by TVM for the CPU 'x86-64-v3', and this machine has no avx2: compile it here"
    with pytest.raises(FaceportError, match=said):
        target().open(built.artifacts["fixed"])


def test_a_cpu_that_nobody_makes(tmp_path: Path) -> None:
    builder(target(), "tvm", network("fixed"), tmp_path)  # skips where TVM is absent
    with pytest.raises(
        FaceportError, match="LLVM knows no CPU 'i4004': give target.mcpu as native, baseline"
    ):
        build(target(mcpu="i4004"), "tvm", network("fixed"), tmp_path)


def test_the_cpu_is_settled_by_whether_it_is_tuned(tmp_path: Path) -> None:
    builder(target(), "tvm", network("fixed"), tmp_path)
    assert target().recipe()["mcpu"] == "baseline"
    assert target(tuning=9).recipe()["mcpu"] == target(mcpu="native").recipe()["mcpu"] != "baseline"
    assert target(mcpu="baseline", tuning=9).recipe()["mcpu"] == "baseline"
