"""Read and write the official prediction format of WIDER FACE: one text file per picture.

EVENT/NAME.txt holds the name, the number of detections, and a line 'x y w h score' for each, best first.
"""

import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from faceport.data.archive import open_archive
from faceport.data.labelled import count_in
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.files import write_atomically
from faceport.places import finished, inside
from faceport.types import Faces, Prediction

LARGEST = 1e12  # of a coordinate or score; float32 holds it and the sum of two


def read_predictions(path: Path) -> Iterator[Prediction]:
    """Read the predictions of a folder or a zip, however deep the event folders lie in it."""
    archive = open_archive(path)
    found: dict[str, str] = {}
    for name in archive.names():
        parts = PurePosixPath(name).parts
        if len(parts) < 2 or not name.endswith(".txt"):
            continue
        sample = f"{parts[-2]}/{parts[-1][:-4]}.jpg"
        if sample in found:
            both = f"{printable(found[sample])} and {printable(name)}"
            raise FaceportError(f"{path}: two files for {printable(sample)}: {both}")
        found[sample] = name
        try:
            rows = parse(archive.read(name), f"{path}/{printable(name)}")
        except OSError as error:
            raise FaceportError(f"{path}: {error}") from error
        corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        yield Prediction(
            sample, Faces(boxes=corners.astype(np.float32), scores=rows[:, 4].astype(np.float32))
        )
    if not found:
        raise FaceportError(f"{path}: no EVENT/NAME.txt in it, so these are no WIDER FACE predictions")


def parse(content: bytes, where: str) -> NDArray[np.float64]:
    """Parse one file into rows of x, y, w, h, score; ``where`` names it in errors."""
    _, _, body = content.partition(b"\n")
    count, _, body = body.partition(b"\n")
    try:
        # One conversion for the whole file: all of the validation set takes a fraction of a second.
        rows = np.array(body.split(), dtype=np.float64).reshape(-1, 5)
        if len(rows) == count_in(count) and (np.abs(rows) < LARGEST).all():
            return rows
    except ValueError:
        pass
    raise FaceportError(f"{where}{_fault(count, body)}")


def _fault(count: bytes, body: bytes) -> str:
    """Find the line that breaks a file and say what is wrong with it."""
    if count_in(count) is None:
        return f":2: expected the number of detections, found '{_shown(count)}'"
    lines = 0
    for number, line in enumerate(body.split(b"\n"), start=3):
        values = line.split()
        try:
            good = len(values) == 5 and bool((np.abs(np.array(values, dtype=np.float64)) < LARGEST).all())
        except ValueError:
            good = False
        if values and not good:
            return f":{number}: expected 'x y w h score', found '{_shown(line)}'"
        lines += bool(values)
    return f":2: says {count_in(count)} detections, but {lines} follow"


def _shown(line: bytes) -> str:
    return printable(line.strip()[:80].decode(errors="replace"))


def write_predictions(predictions: Iterable[Prediction], out: Path) -> None:
    """Write predictions into a folder, or into one zip where the name ends so; none leads out of it."""
    if out.suffix == ".zip":
        with finished(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for prediction in predictions:
                name = inside(out, _file_name(prediction.id)).relative_to(out)
                archive.writestr(name.as_posix(), _text(prediction))
        return
    for prediction in predictions:
        write_atomically(inside(out, _file_name(prediction.id)), _text(prediction))


def _file_name(sample: str) -> str:
    return f"{os.path.splitext(sample)[0]}.txt"  # noqa: PTH122 - a name, not a path


def _text(prediction: Prediction) -> bytes:
    faces = prediction.faces
    boxes = np.zeros((0, 4)) if faces.boxes is None else faces.boxes.astype(np.float64)
    scores = np.ones(len(boxes)) if faces.scores is None else faces.scores.astype(np.float64)
    rows = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2], scores])
    rows = rows[np.argsort(-scores, kind="stable")]  # the official evaluator relies on this order
    name = PurePosixPath(prediction.id).stem
    # Nine digits bring every float32 back as it was.
    lines = [" ".join(f"{value:.9g}" for value in row) for row in rows.tolist()]
    return "\n".join([name, str(len(lines)), *lines, ""]).encode()
