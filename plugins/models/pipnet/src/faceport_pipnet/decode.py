"""Landmarks out of the five maps of PIPNet (https://arxiv.org/abs/2003.03771).

A landmark lies in the cell that scores best for it. Relative to that same cell the network also places its
nearest neighbours on the mean face; so every landmark has its own position and those voted for by others, and
the mean of all is the answer. Voters are repeated, in turn, until every landmark has equally many: a plain
mean over those that there are gives other numbers than the published ones.
"""

import json
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.errors import ConfigError, MissingError

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


@lru_cache(maxsize=1)
def published_mean_faces() -> dict[int, NDArray[np.float64]]:
    """Read the mean faces (k, 2), 0..1 of the crop, of the published training sets by number of landmarks."""
    text = files("faceport_pipnet").joinpath("mean_faces.json").read_text(encoding="utf-8")
    return {int(count): np.array(points) for count, points in json.loads(text).items()}


def read_mean_face(path: Path, landmarks: int) -> NDArray[np.float64]:
    """Average the faces of a text file, one per line: x y x y ..., 0..1 of the crop.

    A line may begin with a file name, so that both PIPNet's meanface.txt and the train.txt behind it will do.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise MissingError(f"the mean face {path} cannot be read: {error.strerror}") from error
    rows = []
    for line in lines:
        try:
            row = np.array(line[len(line) % 2 :], np.float64)
        except ValueError as error:
            raise ConfigError(f"the mean face {path} is not made of numbers: {error}") from error
        if row.size != 2 * landmarks:
            raise ConfigError(f"the mean face {path} has {row.size / 2:g} points, expected {landmarks}")
        rows.append(row)
    if not rows:
        raise ConfigError(f"the mean face {path} is empty")
    return np.asarray(np.mean(rows, axis=0)).reshape(landmarks, 2)


def ballot(nearest: Ints) -> Ints:
    """Say which positions are averaged for each landmark: (k, n) -> (k, 1 + most voters).

    Of the k + k * n positions that the network gives, the first k are the landmarks' own, in order; position
    k + i * n + j is where landmark i places its neighbour j.
    """
    count = len(nearest)
    votes = nearest.ravel()
    voters = [count + np.flatnonzero(votes == landmark) for landmark in range(count)]
    most = max(map(len, voters))
    rows = [np.resize(found if len(found) else [i], most) for i, found in enumerate(voters)]
    return np.column_stack((np.arange(count), rows))


def decode(scores: Floats, x: Floats, y: Floats, nb_x: Floats, nb_y: Floats, table: Ints) -> Floats:
    """Turn maps, three (b, k, h, w) and two (b, k * n, h, w), into landmarks (b, k, 2), 0..1 of the crop."""
    batch, count, height, width = scores.shape
    best = scores.reshape(batch, count, height * width).argmax(axis=2)
    cells = np.concatenate((best, np.repeat(best, nb_x.shape[1] // count, axis=1)), axis=1)
    across = _place(x, nb_x, cells, cells % width, width, table)
    down = _place(y, nb_y, cells, cells // width, height, table)
    return np.stack((across, down), axis=-1)


def _place(own: Floats, others: Floats, cells: Ints, start: Ints, size: int, table: Ints) -> Floats:
    """Average the votes along one axis: (b, k)."""
    count = own.shape[1]
    offsets = np.concatenate((_pick(own, cells[:, :count]), _pick(others, cells[:, count:])), axis=1)
    positions = (offsets + start.astype(offsets.dtype)) / size
    return np.asarray(positions[:, table].mean(axis=2))


def _pick(maps: Floats, cells: Ints) -> Floats:
    """Read each map at its cell: (b, m, h, w), (b, m) -> (b, m)."""
    height, width = maps.shape[2:]
    return np.take_along_axis(maps.reshape(*cells.shape, height * width), cells[..., None], axis=2)[..., 0]
