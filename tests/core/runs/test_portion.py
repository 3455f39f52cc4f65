"""Parts of a dataset: never a picture twice, none lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceport.runs.options import PortionOptions


@given(st.integers(0, 500), st.integers(1, 60), st.one_of(st.none(), st.integers(1, 600)))
def test_parts_are_the_whole(size, parts, limit):
    pieces = [
        list(PortionOptions(limit, f"{number}/{parts}").of(iter(range(size)), size))
        for number in range(1, parts + 1)
    ]
    whole = list(range(size if limit is None else min(size, limit)))
    assert [item for piece in pieces for item in piece] == whole
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


@pytest.mark.parametrize("part", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5", "", "1/3.0"])
def test_what_is_no_part_is_refused(part):
    with pytest.raises(ValueError, match="it must be NUMBER/PARTS, e.g. 3/16"):
        PortionOptions(part=part)
