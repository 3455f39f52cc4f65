"""Pictures and faces made of random numbers: nothing to download, the same every time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from faceport.types import Faces, Image

FIVE_POINTS = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))  # shares of the box
LANDMARKS = 68
DIMENSIONS = 16  # of an embedding


def draw_picture(height: int, width: int, seed: int = 0) -> Image:
    """Draw coloured blocks."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width])


def draw_faces(
    height: int, width: int, count: int, fields: Iterable[str], seed: int = 0, identities: int = 4
) -> Faces:
    """Draw faces that know the named fields; they lie in the picture, and no box equals another."""
    rng = np.random.default_rng(seed)
    size = np.array([width, height])
    sides = rng.uniform(0.3, 0.6, (count, 2)) * size
    corners = rng.uniform(0, 1, (count, 2)) * (size - sides)
    people = np.arange(seed, seed + count) % identities
    inside = rng.uniform(0.1, 0.9, (count, LANDMARKS, 2))
    drawn: dict[str, Any] = {
        "boxes": np.concatenate([corners, corners + sides], axis=1),
        "scores": np.linspace(0.9, 0.8, count),
        "points": corners[:, None] + sides[:, None] * np.array(FIVE_POINTS),
        "landmarks": corners[:, None] + sides[:, None] * inside,
        "embeddings": np.eye(DIMENSIONS)[people] + rng.normal(0, 0.01, (count, DIMENSIONS)),
    }
    made: dict[str, Any] = {name: drawn[name].astype(np.float32) for name in fields if name in drawn}
    if "identities" in fields:
        made["identities"] = people
    if "attributes" in fields:
        made["attributes"] = {"blur": rng.integers(0, 2, count), "yaw": rng.uniform(-40, 40, count)}
    return Faces(**made)
