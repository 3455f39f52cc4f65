"""MATLAB files: read as SciPy reads them where they are whole, refused in a sentence where they are not."""

import io
import struct
import zlib

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from faceport.data import unpacking
from faceport.data.matlab import read_matlab, text_in
from faceport.errors import FaceportError
from tests.attack.test_readers import packed, same

NUMBERS = arrays.arrays(
    st.sampled_from(["f8", "f4", "u1", "i2", "u2", "i4", "u4", "i8"]),
    arrays.array_shapes(min_dims=2, max_side=4),
)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], max_codepoint=0xFFFF), min_size=1
)


def cells(values: list) -> np.ndarray:
    array = np.empty((len(values), 1), dtype=object)
    for i, value in enumerate(values):
        array[i, 0] = value
    return array


CELLS = st.recursive(
    NUMBERS | TEXTS, lambda inner: st.lists(inner, min_size=1, max_size=3).map(cells), max_leaves=6
)


def saved(content: dict, **options) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, content, **options)
    return file.getvalue()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "bb", "a_long_name"]), CELLS, min_size=1), st.booleans())
def test_what_scipy_writes_is_read_as_scipy_reads_it(content, compressed):
    file = saved(content, do_compression=compressed)
    known = scipy.io.loadmat(io.BytesIO(file))
    for wanted in ([*content], [*content][:1]):
        found = read_matlab("x.mat", file, wanted)
        assert [*found] == wanted
        assert all(same(known[name], found[name]) for name in wanted)


def test_official_files_are_read_as_scipy_reads_them(real_dir):
    for path in sorted((real_dir / "wider" / "ground_truth").glob("*.mat")):
        known = {k: v for k, v in scipy.io.loadmat(path).items() if k[0] != "_"}
        found = read_matlab(path.name, path.read_bytes(), [*known])
        assert known.keys() == found.keys()
        assert all(same(known[name], found[name]) for name in known)


def test_texts_in_cells():
    found = read_matlab("x.mat", saved({"names": cells(["é one", np.zeros((0, 0)), 5.0])}), ["names"])[
        "names"
    ]
    assert text_in(found[0, 0]) == "é one"
    for cell in (found[1, 0], found[2, 0]):
        with pytest.raises(ValueError, match="a text is expected"):
            text_in(cell)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has only 0 bytes"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 200, "version 7.3"),
        (b"x" * 200, "not of level 5"),
        (saved({"a": np.array([[1 + 2j]])}), "complex"),
        (saved({"a": {"field": 1}}), "class 2"),
        (saved({"a": np.eye(3)})[:-8], "an element of"),
        (saved({"a": np.eye(3)}) + saved({"a": np.eye(3)})[128:], "variable 'a' is there twice"),
        (saved({"a": np.eye(3)}, do_compression=True)[:-3], "an element of"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(content: bytes, reason: str):
    with pytest.raises(
        FaceportError, match=rf"^x\.mat: not a MATLAB file that can be read, or damaged: .*{reason}"
    ):
        read_matlab("x.mat", content, ["a"])


@pytest.mark.parametrize("times", [-1, 1])
def test_lengths_that_do_not_fit_are_refused(times: int):
    whole = saved({"a": np.arange(12.0).reshape(3, 4)})
    at = whole.index(struct.pack("<II", 5, 8)) + 8  # the shape
    for value in (1 << 30, 5, 2, -1, 0):
        changed = whole[:at] + struct.pack("<i", value) + whole[at + 4 :]
        for content in (changed, packed(changed)):
            with pytest.raises(FaceportError, match=r"x\.mat"):
                read_matlab("x.mat", content, ["a"])


def test_cells_in_cells_without_end_are_refused():
    value = np.eye(2)
    for _ in range(30):
        value = cells([value])
    with pytest.raises(FaceportError, match="more than 8 deep"):
        read_matlab("x.mat", saved({"a": value}), ["a"])


def test_a_packed_variable_that_is_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(unpacking, "UNSUSPICIOUS", 1 << 20)
    bomb = saved({"a": np.zeros((1 << 10, 1 << 9))}, do_compression=True)
    with pytest.raises(FaceportError, match="a variable would grow from .* as only a zip bomb does"):
        read_matlab("x.mat", bomb, ["a"])
    assert read_matlab("x.mat", bomb, ["b"]) == {}


def test_a_check_sum_is_checked():
    file = bytearray(saved({"a": np.eye(9)}, do_compression=True))
    file[-1] ^= 1
    with pytest.raises((FaceportError, zlib.error), match=r"x\.mat"):
        read_matlab("x.mat", bytes(file), ["a"])
