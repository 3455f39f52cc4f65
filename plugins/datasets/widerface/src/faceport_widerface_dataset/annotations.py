"""Read the ground truth of WIDER FACE: MATLAB files or the official text list."""

import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faceport.archive import Archive
from faceport.errors import FaceportError
from faceport.labelled import lines
from faceport.types import Faces

LEVELS = ("easy", "medium", "hard")  # which faces each setting of the evaluation counts
# The columns of the text list after x, y, w, h; the MATLAB files hold the same as NAME_label_list.
LABELS = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")

Annotations = Mapping[str, Faces]  # by "EVENT/NAME.jpg", in the official order
Cells = NDArray[np.object_]  # what MATLAB calls so: arrays in arrays


def make_faces(rows: NDArray[np.int64], labels: Mapping[str, NDArray[np.generic]]) -> Faces:
    """Make faces of integer rows x, y, w, h."""
    boxes = rows.astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return Faces(boxes=boxes, attributes=labels)


def read_mat(archive: Archive, path: str, levels: Mapping[str, str]) -> Annotations:
    """Read wider_face_*.mat, and from wider_{easy,medium,hard}_*.mat which faces each level counts."""
    lists = [f"{label}_label_list" for label in LABELS]
    content = load_mat(archive, path, ["event_list", "file_list", "face_bbx_list"], lists)
    counted = {level: load_mat(archive, file, ["gt_list", "file_list"]) for level, file in levels.items()}
    annotations = {}
    for e, event in enumerate(content["event_list"][:, 0]):
        for i, file in enumerate(content["file_list"][e, 0][:, 0]):
            name = f"{event[0]}/{file[0]}.jpg"
            rows = content["face_bbx_list"][e, 0][i, 0].reshape(-1, 4).astype(np.int64)
            labels = {
                label: content[key][e, 0][i, 0].reshape(-1)
                for label, key in zip(LABELS, lists, strict=True)
                if key in content
            }
            for level, cells in counted.items():
                try:
                    if cells["file_list"][e, 0][i, 0][0] != file[0]:
                        raise IndexError(i)
                    labels[level] = _chosen(cells["gt_list"][e, 0][i, 0], len(rows))
                except IndexError as error:
                    raise FaceportError(
                        f"{levels[level]} does not fit {path} at {name} with its {len(rows)} faces: "
                        "the two files must be of one release"
                    ) from error
            annotations[name] = make_faces(rows, labels)
    return annotations


def _chosen(positions: NDArray[np.generic], count: int) -> NDArray[np.bool_]:
    """Turn MATLAB positions, which count from 1, into a mask."""
    mask = np.zeros(count, dtype=bool)
    if positions.size:
        zero_based = positions.reshape(-1).astype(np.int64) - 1
        if zero_based.min() < 0:
            raise IndexError(zero_based.min())
        mask[zero_based] = True
    return mask


def load_mat(
    archive: Archive, path: str, needed: Sequence[str], others: Sequence[str] = ()
) -> Mapping[str, Cells]:
    """Load variables of a MATLAB file, and say so when it is none, or not the right one."""
    import scipy.io

    try:
        content: Mapping[str, Cells] = scipy.io.loadmat(
            io.BytesIO(archive.read(path)), variable_names=[*needed, *others]
        )
    except Exception as error:  # scipy has no error of its own for damaged files
        raise FaceportError(f"{path}: not a MATLAB file that can be read, or damaged: {error}") from error
    absent = [name for name in needed if name not in content]
    if absent:
        raise FaceportError(f"{path}: has no {', '.join(absent)}: not a WIDER FACE annotation file")
    return content


def read_text(path: str, content: bytes) -> Annotations:
    """Read wider_face_*_bbx_gt.txt: per picture its name, the number of faces, and one line for each."""
    rest = lines(content)
    annotations: dict[str, Faces] = {}
    for number, name in rest:
        if not name.lower().endswith((".jpg", ".jpeg", ".png")):
            raise FaceportError(f"{path}:{number}: expected the name of a picture, found '{name[:80]}'")
        if name in annotations:
            raise FaceportError(f"{path}:{number}: {name} is listed twice")
        rows = _rows(path, name, rest)
        labels = {label: rows[:, 4 + i].astype(np.uint8) for i, label in enumerate(LABELS)}
        annotations[name] = make_faces(rows[:, :4], labels)
    return annotations


def _rows(path: str, name: str, rest: Iterator[tuple[int, str]]) -> NDArray[np.int64]:
    """Read the count and the face lines that follow a picture's name."""
    number, line = next(rest, (0, ""))
    if not line.isdecimal():
        where = f"{path}:{number}" if number else f"{path}: the file ends after {name}"
        raise FaceportError(f"{where}: expected the number of faces of {name}, found '{line[:80]}'")
    count = int(line)
    rows = np.zeros((count, 4 + len(LABELS)), dtype=np.int64)
    for i in range(max(count, 1)):  # a picture without faces has one line of zeros
        number, line = next(rest, (0, ""))
        try:
            values = [int(value) for value in line.split()]
        except ValueError:
            values = []
        if len(values) != rows.shape[1] or min(values[2:]) < 0:
            where = f"{path}:{number}" if number else f"{path}: the file ends too early"
            raise FaceportError(
                f"{where}: expected face {i + 1} of {count} of {name} as 'x y w h {' '.join(LABELS)}' "
                f"in whole numbers, found '{line[:80]}'"
            )
        if count:
            rows[i] = values
    return rows


def read_subset(path: str, content: bytes, known: Annotations) -> list[str]:
    """Read a list of pictures, one 'EVENT/NAME.jpg' a line."""
    names = []
    for number, line in lines(content):
        name = line.lstrip("/")
        if name not in known:
            raise FaceportError(f"{path}:{number}: '{name[:120]}' is not a picture of this set")
        names.append(name)
    return names
