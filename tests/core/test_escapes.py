"""Text from outside does nothing to a terminal, a page or a spreadsheet."""

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceport.escapes import in_csv, in_html, in_markdown, printable

ANY = st.text(st.characters(codec=None) | st.sampled_from("\x1b\x07\x9b\u202e\udcff\n|<`_*"), max_size=20)


@given(ANY)
def test_nothing_that_steers_is_left(text):
    found = printable(text)
    kinds = {unicodedata.category(character) for character in found if character not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    found.encode()
    assert printable(found) == found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a é 写真 👩‍👩‍👧", "a é 写真 👩‍👩‍👧"),
        ("\x1b[31mred\x9b0m", "\\x1b[31mred\\x9b0m"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800 \U000e0001", "\\ud800 \\U000e0001"),
        (7, "7"),
    ],
)
def test_what_is_spelled_out(text, wanted):
    assert printable(text) == wanted


def test_long_texts_are_cut():
    assert printable("abcdef", 4) == "abc…"
    assert printable("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
        ("a | b", "a \\| b"),
        ("runs/my_run_1", "runs/my_run_1"),
        ("_x_ *y* `z` [l](u)", "\\_x\\_ \\*y\\* \\`z\\` \\[l\\](u)"),
        ("# heading\n# more", "\\# heading\\\\n\\# more"),
        ("- item", "\\- item"),
    ],
)
def test_markdown(text, wanted):
    assert in_markdown(text) == wanted


@given(ANY)
def test_html_shows_the_text_itself(text):
    assert not set(in_html(text)) & set("<>\"'")
    assert html.unescape(in_html(text)) == printable(text)


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "=HYPERLINK()", "--1"])
def test_formulas_become_text_in_csv(text):
    assert in_csv(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+1e-3", "-12", "0.9", "-3.5%", "plain", ""])
def test_numbers_stay_numbers_in_csv(text):
    assert in_csv(text) == text
