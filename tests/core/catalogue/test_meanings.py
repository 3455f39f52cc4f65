"""What comments beside options say, and the types of options, without running a plugin."""

import textwrap

import pytest

from faceport.catalogue.meanings import Sources, listed_values, options
from faceport.plugins.index import Choice


@pytest.mark.parametrize(
    ("comment", "values"),
    [
        ("fp32 | fp16 (weights in 16 bits, arithmetic too) | int8", ("fp32", "fp16", "int8")),
        (
            "int8: minmax | percentile | mse: how ranges of activations are found",
            ("minmax", "percentile", "mse"),
        ),
        ("points of the training set: 98 WFLW | 68 300-W", ("98", "68")),
        ("CPU | GPU.1 | ... (e.g. HETERO:GPU,CPU)", ("CPU", "GPU.1")),
        ("true (faces) | false (whole pictures) | null", ("true", "false", "null")),
        ("threads inside one run, 0: all cores", ()),
        ("path, https://, pypi://, random[:seed]", ()),
        ("", ()),
    ],
)
def test_values_that_a_comment_lists(comment, values):
    assert listed_values(comment) == values


def choice(folder, text, **others) -> Choice:
    for name, content in {"mine": text, **others}.items():
        (folder / f"{name}.yaml").write_text(textwrap.dedent(content))
    return Choice("target", "mine", folder / "mine.yaml", "mine")


def test_comments_stand_beside_values_of_every_shape(tmp_path):
    made = choice(
        tmp_path,
        """\
        plain: 1 # one
        quoted: "a # b"   # behind a quoted hash
        listed: [1, 2]    # flow
        nothing: null     # null: none
        section:
          inner: 2        # inside
        silent: 3
        switch: true      # on or off
        card: {summary: x}  # of no option
        """,
    )
    found = {option.key: option for option in options(made)}
    assert {key: option.meaning for key, option in found.items()} == {
        "plain": "one",
        "quoted": "behind a quoted hash",
        "listed": "flow",
        "nothing": "null: none",
        "section.inner": "inside",
        "silent": "",
        "switch": "on or off",
    }
    assert found["quoted"].default == "a # b"
    assert found["switch"].values == ("true", "false")


def test_a_variant_inherits_comments_and_overrides_them(tmp_path):
    base = "size: 1  # pixels\nkind: a  # a | b\n"
    variant = "defaults: [_base, _self_]\nsize: 2\nkind: b  # only b here\n"
    found = {one.key: one for one in options(choice(tmp_path, variant, _base=base))}
    assert (found["size"].default, found["size"].meaning) == (2, "pixels")
    assert (found["kind"].meaning, found["kind"].values) == ("only b here", ())


def test_types_are_read_from_the_source(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        textwrap.dedent(
            """\
            from typing import Any, Literal
            raise SystemExit("reading must not run this")
            Norm = Literal["a", "b"]
            class BaseOptions:
                threads: int | None = None
            class MineOptions(BaseOptions):
                norm: Norm = "a"
                other: Literal["x", "y"] | None = None
                names: list[str] = []
                free: Any = None
            """
        )
    )
    assert Sources([file]).fields("MineOptions") == {
        "threads": "int or null",
        "norm": "choice",
        "other": "choice or null",
        "names": "list[str]",
        "free": "",
    }


def test_source_that_does_not_parse_has_no_types(tmp_path):
    (tmp_path / "broken.py").write_text("class MineOptions(:")
    assert Sources([tmp_path / "broken.py"]).classes == {}
