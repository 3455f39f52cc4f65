"""Damaged annotation files: what can be read is right, anything else is refused with the name of the file.

Every text format is damaged in the same ways. Without knowing a format one can still say what must hold: a
file that is cut off or lost a line gives no face that was not in it, and a file with one other word gives at
most one other number or name.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceport.errors import FaceportError
from faceport.types import Faces
from faceport_coco_keypoints.dataset import parse as parse_coco
from faceport_lapa.dataset import parse as parse_lapa
from faceport_lfw.dataset import parse as parse_lfw
from faceport_pairs.dataset import parse as parse_pairs
from faceport_w300.dataset import parse as parse_pts
from faceport_wflw.dataset import parse as parse_wflw
from faceport_widerface_dataset.annotations import read_text

FILE = "annotations.txt"
Row = tuple[str | float, ...]  # one face or pair: its picture and all its numbers
NUMBERS = [
    "nan",
    "inf",
    "-1",
    "1e999",
    "9" * 30,
    "300",
    "0x10",
    "1,5",
    "--",
    "\udce9",
    "\x00",
    "٣",
    "²",
    "1_0",
]


class Format(NamedTuple):
    """A text format: a whole file, how words are separated in it, and what a reader makes of it."""

    whole: str
    separator: str
    read: Callable[[bytes], list[Row]]
    most: int = 1  # things that one word may say


def faces_of(
    read: Callable[[str, bytes], Mapping[str, Faces]], sides: bool = False
) -> Callable[[bytes], list[Row]]:
    def row(name: str, faces: Faces, i: int) -> Row:
        values = [] if faces.landmarks is None else [faces.landmarks[i].ravel()]
        if faces.attributes:  # else the boxes are what the landmarks span
            (x1, y1, x2, y2), *labels = faces.boxes[i], *(value[i] for value in faces.attributes.values())
            values += [x1, y1, *((x2 - x1, y2 - y1) if sides else (x2, y2)), *labels]  # as the file has it
        return (name, *np.hstack(values).tolist())

    def rows(content: bytes) -> list[Row]:
        return [row(name, faces, i) for name, faces in read(FILE, content).items() for i in range(len(faces))]

    return rows


def points_of(read: Callable[[str, bytes], np.ndarray]) -> Callable[[bytes], list[Row]]:
    return lambda content: [("", *read(FILE, content).ravel().tolist())]


def wflw(name: str, shift: int, boxed: bool = True) -> str:
    points = " ".join(f"{i + shift}.5 {2 * i}" for i in range(98))
    return f"{points} {'1 2 30 40 0 1 0 1 0 1 ' if boxed else ''}{name}\n"


def pts(points: int = 68) -> str:
    body = "".join(f"{i}.25 {2 * i}.5\n" for i in range(points))
    return f"version: 1\nn_points:  {points}\n{{\n{body}}}\n"


FORMATS = {
    "wflw": Format(wflw("a/1.jpg", 0) + wflw("a/2.jpg", 7) + wflw("b/é.jpg", 3), " ", faces_of(parse_wflw)),
    "wflw without boxes": Format(
        wflw("a.jpg", 0, boxed=False) + wflw("b.jpg", 7, boxed=False), " ", faces_of(parse_wflw)
    ),
    "300w": Format(pts(), " ", points_of(parse_pts)),
    "lapa": Format(
        "\n".join(["106", *(f"{i}.5 {i}" for i in range(106))]) + "\n", " ", points_of(parse_lapa)
    ),
    "lfw": Format(
        "2\t2\nAnn\t1\t2\nBo\t1\t2\nAnn\t1\tBo\t3\nBo\t3\tAnn\t4\n"
        "Cy\t1\t2\nDee\t1\t2\nCy\t1\tDee\t3\nDee\t3\tCy\t4\n",
        "\t",
        lambda content: [(a, b, same) for a, b, same in parse_lfw(FILE, content)],
        most=2,  # the name of both pictures
    ),
    "pairs": Format(
        "file_x,file_y,Decision\na.jpg,b.jpg,Yes\nc.jpg,d.jpg,No\ne.jpg,f.jpg,yes\n",
        ",",
        lambda content: [(a, b, same) for a, b, same in parse_pairs(FILE, content)],
    ),
    "widerface": Format(
        "0--A/a.jpg\n2\n1 2 3 4 0 1 0 1 2 1\n5 6 7 8 2 0 1 0 0 0\n0--A/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"
        "1--B/é.jpg\n1\n9 9 9 9 0 0 0 0 0 0\n",
        " ",
        faces_of(read_text, sides=True),
    ),
}
EVERY = pytest.mark.parametrize("kind", FORMATS)


def read(kind: str, text: str | bytes) -> list[Row] | None:
    """Read a file; None where it is refused, which must name the file."""
    try:
        return FORMATS[kind].read(os.fsencode(text) if isinstance(text, str) else text)
    except FaceportError as error:
        assert FILE in str(error), error
        return None


def excess(found: list[Row], known: list[Row]) -> list[Row]:
    """List the rows that are found more often than they are known."""
    return [*(Counter(found) - Counter(known)).elements()]


@EVERY
def test_whole_files_are_read(kind):
    rows = FORMATS[kind].read(os.fsencode(FORMATS[kind].whole))
    assert rows and len(set(rows)) == len(rows)


@EVERY
@pytest.mark.parametrize("end", ["\r\n", " \n", "\n\n"])
def test_foreign_line_ends_change_nothing(kind, end):
    whole = FORMATS[kind].whole
    assert read(kind, whole.replace("\n", end)) == read(kind, whole)


@EVERY
@settings(deadline=None)
@given(st.data())
def test_what_is_cut_off_gives_nothing_new(kind, data):
    whole = os.fsencode(FORMATS[kind].whole)
    size = data.draw(st.integers(0, len(whole) - 1))
    found = read(kind, whole[:size])
    new = excess(found or [], read(kind, whole))
    last = FORMATS[kind].whole.rstrip("\n").rpartition("\n")[2]
    cut_in_last_line = size > len(whole) - len(os.fsencode(last)) - 1
    # A name or number at the very end of a file may be cut short without anybody being able to tell.
    assert not new or (cut_in_last_line and len(new) == 1 and FORMATS[kind].whole[size - 1] not in "\n}")


@EVERY
@settings(deadline=None)
@given(st.data())
def test_one_other_word_changes_one_thing(kind, data):
    format_ = FORMATS[kind]
    lines = [line.split(format_.separator) for line in format_.whole.splitlines()]
    line = data.draw(st.integers(0, len(lines) - 1))
    word = data.draw(st.integers(0, len(lines[line]) - 1))
    lines[line][word] = data.draw(st.sampled_from(NUMBERS) | st.text(max_size=4).filter(harmless))
    found = read(kind, "\n".join(map(format_.separator.join, lines)) + "\n")
    if found is None:
        return
    known = read(kind, format_.whole)
    new, gone = excess(found, known), excess(known, found)
    assert len(new) == len(gone) <= 1, "faces were lost, invented or mixed up"
    for one, other in zip(new, gone, strict=True):
        assert 1 <= sum(a != b for a, b in zip(one, other, strict=True)) <= format_.most
        numbers = [value for value in one if not isinstance(value, str)]
        assert np.isfinite(numbers).all()


def harmless(text: str) -> bool:
    """Keep to texts of one word that a file can hold."""
    return bool(text.strip()) and not set(text) & set(' ,\t"') and len(text.split()) == 1


@EVERY
@settings(deadline=None)
@given(st.data())
def test_lines_lost_or_doubled_mix_nothing_up(kind, data):
    lines = FORMATS[kind].whole.splitlines(keepends=True)
    place = data.draw(st.integers(0, len(lines) - 1))
    times = data.draw(st.sampled_from([0, 2]))
    found = read(kind, "".join([*lines[:place], *([lines[place]] * times), *lines[place + 1 :]]))
    known = read(kind, FORMATS[kind].whole)
    if found is not None:
        assert not set(found) - set(known)
        assert abs(len(found) - len(known)) <= 1


@EVERY
@settings(deadline=None)
@given(st.binary(max_size=60))
def test_noise_is_refused(kind, content: bytes):
    assert read(kind, content) in (None, [])


# COCO-style JSON: a tree instead of lines


def coco() -> dict[str, Any]:
    faces = [
        {"id": 7 + i, "image_id": 1 + i // 2, "keypoints": [i, 2, 2, 3, i, 1, 9, 9, 0], "bbox": [i, 2, 3, 4]}
        | {"iscrowd": 0, "center": [5, 6], "scale": 0.5}
        for i in range(4)
    ]
    images = [
        {"id": 1, "file_name": "a.jpg"},
        {"id": 2, "file_name": "b.jpg"},
        {"id": 3, "file_name": "c.jpg"},
    ]
    return {"images": images, "annotations": faces}


def coco_rows(content: bytes) -> list[Row] | None:
    try:
        found = parse_coco(FILE, content)
    except FaceportError as error:
        assert FILE in str(error), error
        return None
    rows: list[Row] = []
    for name, faces in found.items():
        for i in range(len(faces)):
            values = [faces.landmarks[i].ravel(), faces.boxes[i]]
            values += [
                np.ravel(faces.attributes[key][i]) for key in ("center", "scale") if key in faces.attributes
            ]
            rows.append((name, *(None if np.isnan(v) else v for v in np.concatenate(values).tolist())))
    return rows


def paths(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the way to every node of a tree."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [
        *([above] if above else []),
        *(path for key, node in inner for path in paths(node, (*above, key))),
    ]


LEAVES = st.sampled_from(
    [None, "x", "", -1, 0, 1e300, 10**40, True, [], {}, [1, 2], [[1]], {"id": 1}, "a.jpg", 2.5]
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(paths(coco())), LEAVES | st.just("gone"))
def test_one_other_node_changes_one_thing(path, leaf):
    tree = coco()
    node = tree
    for key in path[:-1]:
        node = node[key]
    if leaf == "gone":
        del node[path[-1]]
    else:
        node[path[-1]] = leaf
    found = coco_rows(json.dumps(tree).encode())
    if found is None:
        return
    known = coco_rows(json.dumps(coco()).encode())
    if path[-1] in ("center", "scale") or path[-2:-1] == ("center",):
        faces = [
            [row[:11] for row in rows] for rows in (found, known)
        ]  # extras are kept where all faces have them
        assert faces[0] == faces[1]
        return
    new, gone = excess(found, known), excess(known, found)
    whole_list = len(path) <= 2  # an image, an annotation, all of them: faces leave together
    assert len(new) <= (2 if path[:1] == ("images",) else 1), "faces were invented or mixed up"
    if not whole_list and path[:1] == ("annotations",) and new:
        assert len(gone) == 1
    for row in new:
        assert all(value is None or isinstance(value, str) or np.isfinite(value) for value in row)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}]},
            "a.jpg is listed twice",
        ),
        (
            {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}]},
            "image 1 is listed twice",
        ),
        ({"images": [{"id": 1, "file_name": None}]}, "not a name"),
        ({"images": [], "annotations": []}, "of as many landmarks everywhere; found none"),
    ],
)
def test_what_json_may_say_but_should_not(change, reason):
    with pytest.raises(FaceportError, match=reason):
        parse_coco(FILE, json.dumps(coco() | change).encode())
