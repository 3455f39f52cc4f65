"""A tiny network that takes pixels, compiled and held against what is right, for targets over files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from faceport.api import Artifact, Network, Session, Target
from faceport.artifacts.shapes import compile_network
from faceport.networks.parity import compare_calls, worst
from faceport.testing.tiny import HEIGHT, WIDTH, right_outputs, tiny_source
from faceport.types import Tensors


def pixels_of(preprocessing: Mapping[str, Any], rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw pictures and normalise them as a network says."""
    rng = np.random.default_rng([seed, rows])
    pixels = rng.integers(0, 256, (rows, 3, HEIGHT, WIDTH)) // rng.integers(1, 9, (rows, 1, 1, 1))
    mean, std = (np.float32(preprocessing[name]).reshape(3, 1, 1) for name in ("mean", "std"))
    return {"image": ((pixels - mean) / std).astype(np.float32)}


def compiled_for_pixels(
    chosen: Target, folder: Path, preprocessing: Mapping[str, Any], batches: list[Tensors]
) -> Artifact:
    """Compile the tiny network, which says this of its input."""
    (folder / "source").mkdir()
    (folder / "artifact").mkdir()
    source = tiny_source("onnx", False, folder / "source")
    source = replace(source, network=replace(source.network, preprocessing=preprocessing))
    compile_network(chosen, source, folder / "artifact", batches)
    return Artifact(folder / "artifact", source.network, {})


def error_of(network: Network, session: Session, *batches: Tensors) -> float:
    """Run batches, and give the largest error as a share of the spread."""
    found = session.run_many(batches)
    right = [right_outputs(network, inputs) for inputs in batches]
    return worst(compare_calls(right, found))[1]
