import re

import numpy as np
import pytest

from faceport.targets.saturation import (
    ACTIVATION,
    REDUCED,
    WEIGHT,
    ReduceRange,
    Sums,
    fits_seven_bits,
    settle,
)


def added_in_16_bits(activations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Add every two products as x86 does without VNNI (its instruction is called vpmaddubsw)."""
    products = activations.astype(np.int32) * weights.astype(np.int32)
    return np.clip(products[..., ::2] + products[..., 1::2], -32768, 32767).sum(-1)


def test_seven_bits_are_what_never_reaches_the_limit() -> None:
    activations = np.full(8, ACTIVATION, np.uint8)
    for sign in (-1, 1):
        seven, eight = np.full(8, sign * REDUCED), np.full(8, sign * WEIGHT)
        assert added_in_16_bits(activations, seven) == sign * 8 * ACTIVATION * REDUCED
        assert abs(added_in_16_bits(activations, eight)) < 8 * ACTIVATION * WEIGHT
    assert fits_seven_bits([np.full(8, -REDUCED, np.int8), np.zeros(0, np.int8)])
    assert not fits_seven_bits([np.zeros(3, np.int8), np.full(8, -128, np.int8)])


def test_what_was_asked_for_wins_over_the_processor() -> None:
    assert [settle("auto", answer) for answer in (lambda: True, lambda: False)] == [True, False]
    assert settle(True, lambda: False) is True and settle(False, lambda: True) is False


@pytest.mark.parametrize(
    "seven, cut_off, asked, note",
    [
        (False, True, "auto", "its weights have 8 bits, .* at 16: slower kernels. .*reduce_range=true"),
        (False, True, False, "its weights have 8 bits"),
        (True, False, "auto", "its weights have 7 bits, .*reduce_range=false"),
        (True, False, True, ""),
        (True, True, "auto", ""),
        (False, False, "auto", ""),
    ],
)
def test_weights_for_another_kind_of_processor_are_noted(
    seven: bool, cut_off: bool, asked: ReduceRange, note: str
) -> None:
    facts = Sums(seven, cut_off).facts(asked, "slower kernels")
    assert facts["weight_bits"] == ("7" if seven else "8")
    assert facts["sums"] == ("16 bits" if cut_off else "exact")
    assert ("note" in facts) == bool(note) and re.match(note, facts.get("note", ""))
