"""Text and tables in eighty columns, in forty, and in a pipe."""

import pytest

from faceport.runs.record import Record
from faceport.verbs.show.numbers import with_interval
from faceport.verbs.show.table import Cell, Column, lines, plain, row
from faceport.verbs.show.terminal import console, say, show_sweep
from faceport.verbs.show.text import (
    ELLIPSIS,
    cell_len,
    listed,
    print_sentence,
    shared_start,
    shorten,
    shorten_apart,
    wrap,
)

NODE = "/stage1/stage1.2/stage1.2.5/LeakyRelu"


def written(columns, rows, width):
    return [plain(line) for line in lines(columns, rows, width)]


def test_lines_break_at_blanks_and_never_inside_a_word():
    text = "the same command goes on once that is done, see /a/very/long/path/that/has/no/blank/at/all.json"
    found = wrap(text, 30, indent=2)
    assert " ".join(line.strip() for line in found) == text
    assert all(cell_len(line) <= 30 or " " not in line.strip() for line in found)
    assert found[1].startswith("  ")
    assert wrap(text, None) == [text]
    assert wrap("  short", 30) == ["  short"]
    assert wrap("", 30) == [""]


@pytest.mark.parametrize("width", range(1, 40))
def test_what_is_shortened_keeps_its_width_beginning_and_end(width):
    short = shorten(NODE, width)
    assert cell_len(short) <= max(width, 2)
    if 3 <= width < len(NODE):
        head, tail = short.split(ELLIPSIS)
        assert NODE.startswith(head)
        assert NODE.endswith(tail)
        assert tail


def test_what_is_shortened_ends_with_whole_parts():
    assert shorten(NODE, 24) == "/stage1/stage1…/LeakyRelu"[:0] or shorten(NODE, 24).endswith("/LeakyRelu")
    assert shorten("漢字漢字漢字漢字漢字", 9).count(ELLIPSIS) == 1


def test_names_share_a_start_up_to_a_separator():
    assert shared_start(["/stage1/a/Conv", "/stage1/b/Relu"]) == "/stage1/"
    assert shared_start(["stage10", "stage11"]) == ""
    assert shared_start(["a/b"]) == shared_start(["a/b", "a/b"]) == ""
    assert shared_start(["a/", "a/b"]) == "a/"


def test_control_characters_are_escaped():
    (line,) = written([Column()], [row("\x1b[2Jx")], 80)
    assert line == "\\x1b[2Jx"


def test_many_words_are_counted():
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"


COLUMNS = [
    Column("model", key=True, least=8),
    *(Column(name, "widerface_ap") for name in ("easy", "medium", "hard")),
    Column("time in engine p50 ms", "latency"),
    Column("MB", right=True),
]
ROWS = [
    row("retinaface_mobilenet", "0.7070 ±0.21", "0.5463 ±0.26", "0.1739 ±0.23", "61.12", "1.7"),
    row("retinaface_resnet50", "0.6661 ±0.21", "0.5249 ±0.24", "0.1674 ±0.21", "43.89", "110.6"),
]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_nothing_is_wider_than_the_terminal_and_no_number_is_cut(width):
    found = written(COLUMNS, ROWS, width)
    assert max(map(cell_len, found)) <= width
    text = "\n".join(found)
    for cells in ROWS:
        for cell in cells[1:]:
            assert cell.text in text
    assert text.count("widerface_ap") <= 3


def test_columns_that_do_not_fit_make_a_second_table_with_the_same_rows():
    found = written(COLUMNS, ROWS, 64)
    assert [line.split()[0] for line in found if line.startswith("retinaf")] == [
        "retinaface_mobilenet",
        "retinaface_resnet50",
    ] * 2
    assert "" in found


def test_a_pipe_gets_one_line_for_each_row_and_whole_titles():
    heading, *body = written(COLUMNS, ROWS, None)
    assert len(body) == len(ROWS)
    assert "latency.time in engine p50 ms" in heading
    assert "retinaface_mobilenet" in body[0]


def test_prose_takes_what_is_left_and_wraps():
    columns = [Column("option"), Column("default", least=12), Column("meaning", prose=True)]
    meaning = "what is meant by this option, at some length, so that it needs several lines"
    found = written(
        columns, [row("weights", "https://example.org/a/b/c.pth", meaning), row("x", "1", "")], 60
    )
    assert max(map(cell_len, found)) <= 60
    assert " ".join(" ".join(found).split()).count("several lines") == 1
    assert not [line for line in found if line != line.rstrip()]


def test_styles_stay_with_their_cells():
    _, line = lines([Column("a"), Column("b", right=True)], [[Cell("x"), Cell("1", "bold")]], 20)
    assert [piece for piece in line if piece.style] == [Cell("1", "bold")]


def test_wide_letters_take_two_columns():
    assert [cell_len(text) for text in ("abc", "größe", "漢字", "e\u0301")] == [3, 5, 4, 1]


def test_letters_that_an_encoding_lacks_are_written_in_others():
    assert "0.5 ±0.1 ≈ … 漢".encode("ascii", "faceport.plain") == b"0.5 +-0.1 ~ ... ?"


@pytest.mark.parametrize("write", [print_sentence, lambda text: say(console(), text)])
def test_a_pipe_gets_sentences_whole_whatever_columns_says(write, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    write("word " * 40)
    assert capsys.readouterr().out.count("\n") == 1


def test_an_interval_of_nothing_but_rounding_is_none():
    assert with_interval(1.0, (1.0 - 1e-16, 1.0)) == "1.0000 ±0"
    assert with_interval(0.5, (0.25, 0.75)) == "0.5000 ±0.25"


@pytest.mark.parametrize(("columns", "widest"), [("80", 80), (None, 1000)])
def test_what_is_piped_fits_columns_where_they_are_set(columns, widest, monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    metrics = {"many": {f"a number with name {number}": number / 7 for number in range(6)}}
    records = [
        Record("done", {"target": {"name": name}}, metrics=metrics) for name in ("onnxruntime", "openvino")
    ]
    show_sweep(records)
    longest = max(map(len, capsys.readouterr().out.splitlines()))
    assert (longest <= 80) == bool(columns) and longest <= widest


SHAPES = [f"facenet:{rows}x3x160x160" for rows in (1, 4, 8, 16)]


@pytest.mark.parametrize(
    "texts", [SHAPES, ["widerface_ap.easy", "widerface_ap.hard"], ["a" * 30, "a" * 29 + "b"]]
)
@pytest.mark.parametrize("width", [16, 12, 3])
def test_what_differs_still_differs_when_it_is_shortened(texts, width):
    short = shorten_apart([*texts, texts[0]], width)
    assert len(set(short)) == len(texts) and short[0] == short[-1]
    assert all(cell_len(text) <= width for text in short) or short[:-1] == texts
