"""Cards of what is installed, and lists of names, in eighty columns and in a pipe."""

import pytest

from faceport.plugins.index import installed
from faceport.verbs.show.card import card_lines, names_lines
from faceport.verbs.show.text import cell_len

CHOICES = [choice for kind in installed().kinds for choice in installed().choices(kind).values()]


def card(kind: str, name: str, width: int | None = None) -> str:
    return "\n".join(card_lines(installed().find(kind, name), width))


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: f"{choice.kind}-{choice.name}")
def test_a_card_fits_eighty_columns_but_for_what_has_no_blank(choice):
    for line in card_lines(choice, 80):
        assert cell_len(line) <= 80 or len(line.split()) == 1 or max(map(len, line.split())) > 30, line


def test_a_card_tells_option_default_type_and_meaning():
    lines = card("target", "openvino").splitlines()
    table = lines[lines.index("") + 1 :]
    assert table[0].split() == ["option", "default", "type", "meaning"]
    rows = {line.split()[0]: line for line in table[1:]}
    assert rows.keys() == installed().find("target", "openvino").options.keys()
    assert rows["precision"].split()[1:4] == ["fp32", "choice", "fp32"]
    assert "float or null" in rows["accuracy_budget"], "inherited from the core's own options"
    assert "as it" not in rows["hint"] and "one run at a time" in rows["hint"]


def test_options_of_sections_and_of_a_base_have_their_comments():
    assert "pictures to find ranges on" in card("verb", "run")
    lines = card("model", "pipnet_resnet18").splitlines()
    (stride,) = [line for line in lines if line.startswith("stride ")]
    assert "pixels of the crop per cell" in stride


def test_a_card_says_what_it_knows_and_nothing_of_the_kit():
    text = card("model", "retinaface_mobilenet")
    assert "426,608" in text
    assert "FLOPs = 2 x MACs" in text
    assert "easy 0.907" in text
    assert "conformance" not in text
    assert card("metric", "latency").endswith("no options")


def test_names_have_their_lines_beside_them():
    found = names_lines({"a": "one two three four five six seven", "longer": "x"}, 24)
    assert found[0].startswith("  a       one two")
    assert max(map(cell_len, found)) <= 24 + 24
    assert names_lines({"a": "one two three", "longer": "x"}, None) == [
        "  a       one two three",
        "  longer  x",
    ]
