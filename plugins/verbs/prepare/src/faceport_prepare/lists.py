"""The lists beside prepared files: labels, subsets, mean face and neighbours, paths for vendor tools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceport.data.crops import stem
from faceport.files import write_atomically
from faceport.ops.landmarks import neighbours
from faceport.types import Prediction


class Row(NamedTuple):
    """One face, or one whole picture."""

    name: str  # of its file
    landmarks: NDArray[np.float32] | None  # (k, 2) in shares of the crop
    subsets: frozenset[str]


def write_lists(
    folder: Path, name: str, most_neighbours: int, npz: bool, prepared: Iterable[Prediction]
) -> dict[str, str]:
    """Write every list that fits what was prepared; give their names and what each holds."""
    rows = [row for prediction in prepared for row in rows_of(prediction)]
    rows.sort(key=lambda row: row.name)  # vendor tools pair their results with lists by order of names
    written: dict[str, str] = {}

    def write(file: str, lines: Sequence[str], what: str) -> None:
        write_atomically(folder / file, "".join(f"{line}\n" for line in lines))
        written[file] = what

    if rows and all(row.landmarks is not None for row in rows):
        labels = {row.name: label(row) for row in rows}
        write(f"{name}.txt", [*labels.values()], f"{len(rows)} faces")
        subsets: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            for subset in sorted(row.subsets):
                subsets[subset].append(labels[row.name])
        for subset, lines in sorted(subsets.items()):
            write(f"{name}_{subset}.txt", lines, f"{len(lines)} faces")
        mean = mean_face(rows)
        if mean is not None:
            write(
                "meanface.txt", [" ".join(f"{value:.9g}" for value in mean.ravel())], f"of {len(rows)} faces"
            )
            nearest = neighbours(mean, min(most_neighbours, len(mean) - 1))
            lines = [" ".join(map(str, row)) for row in nearest.tolist()]
            write("neighbours.txt", lines, f"the {nearest.shape[1]} nearest of each landmark")
    if npz:
        paths = [str((folder / f"npz_{name}" / f"{stem(row.name)}.npz").absolute()) for row in rows]
        write(f"npz_{name}.txt", sorted(paths), f"{len(paths)} paths")
    for tensor in sorted((folder / f"bin_{name}").glob("*/")):
        paths = sorted(str(path.absolute()) for path in tensor.rglob("*.bin"))
        write(f"bin_{name}_{tensor.name}.txt", paths, f"{len(paths)} paths")
    return written


def rows_of(prediction: Prediction) -> list[Row]:
    """Take a line of the journal apart."""
    faces = prediction.faces
    if faces.identities is None:
        return []
    return [
        Row(
            name=str(name),
            landmarks=None if faces.landmarks is None else faces.landmarks[i],
            subsets=frozenset(subset for subset, flags in faces.attributes.items() if flags[i]),
        )
        for i, name in enumerate(faces.identities)
    ]


def label(row: Row) -> str:
    """Write a line of PIPNet's label files: the name, then x y of each landmark in shares of the crop."""
    assert row.landmarks is not None
    return " ".join([row.name, *(f"{value:.9g}" for value in row.landmarks.ravel().tolist())])


def mean_face(rows: Sequence[Row]) -> NDArray[np.float64] | None:
    """Average the landmarks over all faces where they are labelled; None where one never is."""
    landmarks = np.array([row.landmarks for row in rows], dtype=np.float64)
    labelled = ~np.isnan(landmarks)
    if not labelled.any(axis=0).all():
        return None
    sums: NDArray[np.float64] = np.where(labelled, landmarks, 0).sum(axis=0)
    return np.asarray(sums / labelled.sum(axis=0))
