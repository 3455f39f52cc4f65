"""Every dataset that brings a sample: damaged, its files are read rightly, or refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from faceport.api import Dataset
from faceport.data.pictures import is_picture
from faceport.plugins.index import Choice
from faceport.plugins.loading import create
from faceport.testing.checks import check_faces
from faceport.testing.choices import sample_of, small_options
from faceport.testing.damage import attack, cases
from faceport.types import Faces

USUAL = 100  # damaged files for each file of the sample
MOST = 200  # pictures whose truth is looked at


def test_damaged_files_are_refused_in_one_sentence(dataset_choice: Choice, tmp_path: Path) -> None:
    if sample_of(dataset_choice) is None:
        pytest.skip("this dataset brings no sample: see the documentation of faceport.testing")
    made = create("dataset", dataset_choice.name, **small_options(dataset_choice, tmp_path))
    files = [
        path for path in sorted((tmp_path / "sample").rglob("*")) if path.is_file() and not is_picture(path)
    ]
    for path in files:
        whole = path.read_bytes()
        read = reader(path, lambda: type(made)(made.options))
        outcome = attack(read, whole, cases(USUAL))
        path.write_bytes(whole)
        assert not outcome.faults, f"{path.name}: {outcome}"


def reader(path: Path, make: Callable[[], Dataset]) -> Callable[[bytes], object]:
    """Read a dataset one of whose files is exchanged, and check what it says."""

    def read(content: bytes) -> None:
        path.write_bytes(content)
        dataset = make()
        samples = list(islice(dataset, MOST))
        assert len({sample.id for sample in samples}) == len(samples), "two pictures have one id"
        for sample in samples:
            check_truth(sample.truth or Faces())
        json.dumps(dict(dataset.facts()), allow_nan=False)

    return read


def check_truth(truth: Faces) -> None:
    """Hold a truth to shapes and types; only landmarks that are not labelled may be no numbers."""
    for name in ("boxes", "points", "embeddings"):
        value = getattr(truth, name)
        assert value is None or np.isfinite(value).all(), f"{name} are not all finite"
    if truth.landmarks is not None:
        assert not np.isinf(truth.landmarks).any(), "a landmark is not finite"
    check_faces(truth)
