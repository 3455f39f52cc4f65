"""Read the ground truth of WIDER FACE: MATLAB files or the official text list."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.data.labelled import count_in, lines
from faceport.data.matlab import read_matlab, text_in
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.types import Faces

LEVELS = ("easy", "medium", "hard")  # which faces each setting of the evaluation counts
# The columns of the text list after x, y, w, h; the MATLAB files hold the same as NAME_label_list.
LABELS = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")

FARTHEST = 1_000_000  # pixels; float32 still tells every one of them apart

Annotations = Mapping[str, Faces]  # by "EVENT/NAME.jpg", in the official order
Cells = NDArray[np.object_]  # what MATLAB calls so: arrays in arrays
Read = Callable[[str], bytes]  # gives the content of an annotation file


def make_faces(rows: NDArray[np.int64], labels: Mapping[str, NDArray[np.generic]]) -> Faces:
    """Make faces of integer rows x, y, w, h."""
    boxes = rows.astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return Faces(boxes=boxes, attributes=labels)


def read_mat(read: Read, path: str, levels: Mapping[str, str]) -> Annotations:
    """Read wider_face_*.mat, and from wider_{easy,medium,hard}_*.mat which faces each level counts."""
    lists = [f"{label}_label_list" for label in LABELS]
    content = load_mat(read, path, ["event_list", "file_list", "face_bbx_list"], lists)
    counted = {level: load_mat(read, file, ["gt_list", "file_list"]) for level, file in levels.items()}
    annotations: dict[str, Faces] = {}
    name = "its first picture"
    try:
        for e, i, name in _pictures(content):
            if name in annotations:
                raise ValueError("it is listed twice")
            rows = _boxes(content["face_bbx_list"][e, 0][i, 0])
            labels = {
                label: content[key][e, 0][i, 0].reshape(-1)
                for label, key in zip(LABELS, lists, strict=True)
                if key in content
            }
            for level, cells in counted.items():
                where = f"{levels[level]} does not fit {path} at {printable(name)} with its {len(rows)} faces"
                labels[level] = _counted(cells, e, i, name, len(rows), where)
            annotations[name] = make_faces(rows, labels)
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise FaceportError(
            f"{path}: is not made as the annotations of WIDER FACE are, at {printable(name)}: "
            f"{printable(error, 120)}"
        ) from error
    return annotations


def _pictures(content: Mapping[str, Cells]) -> Iterator[tuple[int, int, str]]:
    """Go through events and their pictures: the number of both, and the name."""
    events, files, boxes = (content[key] for key in ("event_list", "file_list", "face_bbx_list"))
    for e in range(_count(events, files, boxes)):
        for i in range(_count(files[e, 0], boxes[e, 0])):
            yield e, i, f"{text_in(events[e, 0])}/{text_in(files[e, 0][i, 0])}.jpg"


def _count(*cells: Cells) -> int:
    """Count the rows of lists that must be as long as each other."""
    (count,) = {len(list_) for list_ in cells}
    return count


def _boxes(cell: NDArray[Any]) -> NDArray[np.int64]:
    """Read rows x, y, w, h of whole pixels; one official box is -2 pixels wide, and counts."""
    rows = np.asarray(cell, dtype=np.float64).reshape(-1, 4)
    if not (np.abs(rows) < FARTHEST).all():
        raise ValueError("a box with a side that is no number of pixels")
    return rows.astype(np.int64)


def _counted(
    cells: Mapping[str, Cells], e: int, i: int, name: str, count: int, where: str
) -> NDArray[np.bool_]:
    """Read which faces of a picture a level counts, and see to it that it speaks of the same picture."""
    try:
        if not name.endswith(f"/{text_in(cells['file_list'][e, 0][i, 0])}.jpg"):
            raise IndexError(i)
        return _chosen(cells["gt_list"][e, 0][i, 0], count)
    except (IndexError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise FaceportError(f"{where}: the two files must be of one release") from error


def _chosen(positions: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Turn MATLAB positions, which count from 1, into a mask."""
    mask = np.zeros(count, dtype=bool)
    if positions.size:
        zero_based = positions.reshape(-1).astype(np.float64) - 1
        if not (zero_based >= 0).all():
            raise IndexError(positions)
        mask[zero_based.astype(np.int64)] = True
    return mask


def load_mat(read: Read, path: str, needed: Sequence[str], others: Sequence[str] = ()) -> Mapping[str, Cells]:
    """Load variables of a MATLAB file, and say so when it is none, or not the right one."""
    content: Mapping[str, Cells] = read_matlab(path, read(path), [*needed, *others])
    absent = [name for name in needed if name not in content]
    if absent:
        raise FaceportError(f"{path}: has no {', '.join(absent)}: not a WIDER FACE annotation file")
    return content


def read_text(path: str, content: bytes) -> Annotations:
    """Read wider_face_*_bbx_gt.txt: per picture its name, the number of faces, and one line for each."""
    rest = lines(content)
    annotations: dict[str, Faces] = {}
    places: dict[str, int] = {}
    for number, name in rest:
        if not name.lower().endswith((".jpg", ".jpeg", ".png")):
            raise FaceportError(
                f"{path}:{number}: expected the name of a picture, found '{printable(name, 80)}'"
            )
        if name in annotations:
            raise FaceportError(
                f"{path}:{number}: {printable(name)} is listed twice, the first time in line {places[name]}"
            )
        places[name] = number
        rows = _rows(path, name, rest)
        labels = {label: rows[:, 4 + i].astype(np.uint8) for i, label in enumerate(LABELS)}
        annotations[name] = make_faces(rows[:, :4], labels)
    return annotations


def _rows(path: str, name: str, rest: Iterator[tuple[int, str]]) -> NDArray[np.int64]:
    """Read the count and the face lines that follow a picture's name."""
    number, line = next(rest, (0, ""))
    count, width, title = count_in(line), 4 + len(LABELS), printable(name, 120)
    if count is None:
        where = f"{path}:{number}" if number else f"{path}: the file ends after {title}"
        raise FaceportError(
            f"{where}: expected the number of faces of {title}, found '{printable(line, 80)}'"
        )
    rows = []
    for i in range(max(count, 1)):  # a picture without faces has one line of zeros
        number, line = next(rest, (0, ""))
        try:
            values = [int(value) for value in line.split()]
        except ValueError:
            values = []
        if len(values) != width or not _sound(values):
            where = f"{path}:{number}" if number else f"{path}: the file ends too early"
            raise FaceportError(
                f"{where}: expected face {i + 1} of {count} of {title} as 'x y w h {' '.join(LABELS)}' "
                f"in whole numbers, found '{printable(line, 80)}'"
            )
        if not count and any(values):
            raise FaceportError(
                f"{path}:{number}: {title} is said to have no face, but there is '{printable(line, 80)}'"
            )
        rows.append(values)
    return np.array(rows[:count], dtype=np.int64).reshape(-1, width)


def _sound(values: Sequence[int]) -> bool:
    """Tell whether a box can be one, and labels are what they are: a few small numbers."""
    return max(map(abs, values[:4])) < FARTHEST and min(values[2:]) >= 0 and max(values[4:]) < 256


def read_subset(path: str, content: bytes, known: Annotations) -> list[str]:
    """Read a list of pictures, one 'EVENT/NAME.jpg' a line."""
    places: dict[str, int] = {}
    for number, line in lines(content):
        name = line.lstrip("/")
        if name not in known:
            raise FaceportError(f"{path}:{number}: '{printable(name, 120)}' is not a picture of this set")
        if name in places:
            raise FaceportError(
                f"{path}:{number}: {printable(name)} is listed twice, the first time in line {places[name]}"
            )
        places[name] = number
    return [*places]
