"""The table of what the benchmarks claim."""

import importlib.util
import json

import pytest

from tests.conftest import ROOT


def loaded(path):
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bench():
    return loaded(ROOT / "tools/bench.py")


@pytest.fixture
def measure(monkeypatch, tmp_path):
    import sys

    spec = importlib.util.spec_from_file_location("measure", ROOT / "benchmarks/measure.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "measure", module)  # where dataclasses look for it
    spec.loader.exec_module(module)
    monkeypatch.setenv("FACEPORT_BENCH", str(tmp_path / "claims"))
    return module


def test_rows_of_one_benchmark_take_the_place_of_those_that_it_had(bench):
    page = f"above\n{bench.START}\n{bench.END}\nbelow\n"
    claim = {"what": "a", "anchor": "b's", "median": 2.0, "low": 1.9, "high": 2.1, "goal": 3.0, "note": "n"}
    page = bench.written(page, "one.py", [bench.row(claim, "one.py", "machine")])
    page = bench.written(page, "two.py", [bench.row(claim | {"goal": None}, "two.py", "machine")])
    again = bench.written(page, "one.py", [bench.row(claim | {"median": 2.5}, "one.py", "machine")])
    assert again.startswith("above\n") and again.endswith("\nbelow\n")
    rows = [line for line in again.splitlines() if line.startswith("|")]
    assert len(rows) == 4 and rows[0].startswith("| what ") and rows[1].startswith("| --- ")
    assert "| a (n) | **2.50** | 1.90 to 2.10 | 3 | b's | `one.py` | machine |" in rows[2]
    assert "**2.00**" in rows[3] and "`two.py`" in rows[3]
    columns = {line.count("|") for line in rows}
    assert columns == {9}


def test_the_page_has_its_place_for_claims(bench):
    page = bench.PAGE.read_text("utf-8")
    assert page.count(bench.START) == page.count(bench.END) == 1
    assert bench.written(page, "nothing.py", []).count("\n") == page.count("\n")


def test_turns_alternate_and_the_median_is_claimed(measure, tmp_path):
    order = []
    times = iter([0, 4, 4, 5, 5, 6, 6, 10, 10, 14, 14, 15])
    seconds = measure.in_turns(
        {"slow": lambda: order.append("slow"), "fast": lambda: order.append("fast")}, 3, lambda: next(times)
    )
    assert order == ["slow", "fast", "fast", "slow", "slow", "fast"]
    assert seconds == {"slow": [4, 4, 4], "fast": [1, 1, 1]}
    measure.claim("it", "the other", measure.ratio(seconds["slow"], seconds["fast"]), 3)
    [line] = (tmp_path / "claims").read_text().splitlines()
    assert json.loads(line)["median"] == 4.0


def test_what_is_not_steady_is_not_claimed(measure, tmp_path, capsys):
    measure.claim("it", "the other", measure.Ratio(4.0, 2.0, 9.0))
    assert "not steady enough" in capsys.readouterr().out
    assert not (tmp_path / "claims").exists()
