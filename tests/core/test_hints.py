"""Whether a value has the type of a hint already, so that nothing need be converted."""

from typing import Any, Literal

import pytest

from faceport.hints import fits, literals


@pytest.mark.parametrize(
    ("hint", "value", "right"),
    [
        (int, 1, True),
        (int, True, False),
        (int, 1.0, False),
        (float, 1, False),
        (str, None, False),
        (str | None, None, True),
        (int | None, 3, True),
        (int | None, "3", False),
        (list[str], ["a"], True),
        (list[str], ["a", 1], False),
        (list[float], [0.5, 1], False),
        (list[list[int]], [[1], []], True),
        (Literal["a", 1], 1, True),
        (Literal["a", 1], True, False),
        (Literal["a"] | None, None, True),
        (Literal["a"] | None, "b", False),
        (dict[str, Any], {"a": [1]}, True),
        (dict[str, Any], {1: 2}, False),
        (dict[str, int], {"a": 1}, False),
        (tuple[int, ...], [1], False),
        (Any, object(), True),
    ],
)
def test_only_what_needs_no_conversion_fits(hint, value, right):
    assert fits(hint, value) is right


def test_a_literal_lists_its_values():
    assert literals(Literal["a", 2]) == ("a", 2)
    assert literals(Literal["a"] | None) == ("a", None)
    assert literals(int) == ()
