"""What is accepted of a compiled network: fp32 is held to a tolerance, lower precisions to sense."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from faceport.api import QuantisedOptions, Target
from faceport.artifacts.parity import accept
from faceport.errors import FaceportError
from faceport.networks.parity import compare_calls
from tests.plugins.toys import FREE


@dataclass(frozen=True)
class Options(QuantisedOptions):
    pass


class Idle(Target):
    Options = Options
    compile = open = None  # type: ignore[assignment]


def outputs(max_rel: float, snr: float, varies: float = 1.0) -> dict:
    return {"outputs": {"mean": {"max_rel": max_rel, "snr_db": snr, "varies": varies}}}


def judge(parity: dict, run: float = 1e-3, **options: object) -> None:
    accept(FREE, parity, Idle(Options(**options)), "toy", run)  # type: ignore[arg-type]


def test_fp32_is_held_to_the_tolerance():
    judge(outputs(1e-4, 90))
    with pytest.raises(FaceportError, match=r"off by 0\.02 of its spread, allowed is 0\.001 \(tolerance\)"):
        judge(outputs(0.02, 90))


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_the_measurement_that_was_asked_for_is_not_refused(precision):
    judge(outputs(5.3, 8.6), precision=precision)


def test_nonsense_is_refused_with_cures():
    for parity, why in ((outputs(9, 0.1), "ratio of 0.1 dB"), (outputs(1, 20, 0.0), "never changes")):
        with pytest.raises(FaceportError, match="makes nonsense of network 'free' in int8") as raised:
            judge(parity, precision="int8")
        for part in (why, "faceport diagnose", "target.accuracy_budget=0.01", "target.tolerance=inf"):
            assert part in str(raised.value)


def test_a_tolerance_that_was_given_is_kept():
    with pytest.raises(FaceportError, match=r"allowed is 0\.05 \(target\.tolerance\)"):
        judge(outputs(0.1, 30), precision="int8", tolerance=0.05)
    judge(outputs(9, 0.1), precision="int8", tolerance=math.inf)
    judge(outputs(9, 0.1), math.inf)


def test_a_constant_answer_is_seen():
    def varies(wanted: np.ndarray, answer: np.ndarray) -> float:
        return compare_calls([{"y": wanted}] * 2, [{"y": answer}] * 2)["y"]["varies"]

    wanted = np.random.default_rng(0).random((4, 5)) + 10
    assert varies(wanted, np.full((4, 5), 10.5)) == 0
    assert varies(wanted, wanted + 0.01) == 1
    assert varies(np.ones((4, 5)), np.ones((4, 5))) == 1
    assert varies(wanted[0, :2], np.full(2, 10.5)) == 1, "two numbers may be equal by chance"
