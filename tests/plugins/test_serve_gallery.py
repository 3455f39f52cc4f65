"""The gallery of the service: kept, searched exactly, changed while it is searched."""

import sqlite3

import numpy as np
import pytest

from faceport.errors import FaceportError
from faceport_serve.gallery import FullError, Gallery


def test_a_gallery_is_kept_and_keeps_spaces_apart(tmp_path):
    path = tmp_path / "people.db"
    rows = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    first = Gallery(path, most=51)
    numbers = [first.enrol(str(at), "a", row) for at, row in enumerate(rows)]
    first.enrol("other", "b", rows[0])
    with pytest.raises(FullError, match="51 faces"):
        first.enrol("one more", "a", rows[0])
    first.close()
    again = Gallery(path)
    found = again.search("a", rows[:3] + 0.01, 50)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for at, matches in enumerate(found):
        asked = (rows[at] + 0.01) / np.linalg.norm(rows[at] + 0.01)
        expected = sorted(zip(-(unit @ asked), numbers, strict=True))
        assert [match.id for match in matches] == [number for _, number in expected]
    assert [match.name for match in again.search("b", rows[:1], 5)[0]] == ["other"]
    assert again.search("nothing", rows[:1], 5) == [[]]
    again.close()


def test_a_gallery_that_is_searched_meanwhile_knows_who_comes_and_goes(tmp_path):
    rows = np.random.default_rng(1).standard_normal((200, 4)).astype(np.float32)
    kept, fresh = Gallery(tmp_path / "a.db"), Gallery(tmp_path / "b.db")
    gone = {3, 77, 78, 150, 200}
    assert kept.search("a", rows[:1], 3) == [[]]
    for at, row in enumerate(rows):
        number = kept.enrol(str(at), "a", row)
        assert fresh.enrol(str(at), "a", row) == number
        assert kept.search("a", row[None], 1)[0][0].id == number, "found at once"
        if number in gone:
            assert kept.delete(number) and not kept.delete(number) and fresh.delete(number)
            assert number not in [match.id for match in kept.search("a", row[None], 300)[0]]
    asked = np.random.default_rng(2).standard_normal((9, 4)).astype(np.float32)
    for ours, theirs in zip(kept.search("a", asked, 300), fresh.search("a", asked, 300), strict=True):
        assert [match.name for match in ours] == [match.name for match in theirs]
        assert len(ours) == len(rows) - len(gone)
    kept.close(), fresh.close()


def test_a_gallery_takes_no_file_of_others(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as other:
        other.execute("create table t (a)")
    with pytest.raises(FaceportError, match="something else"):
        Gallery(tmp_path / "x.db")
    (tmp_path / "y.db").write_text("no database, but a text that is long enough to be taken for one" * 99)
    with pytest.raises(FaceportError, match="cannot be used"):
        Gallery(tmp_path / "y.db")
