from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from faceport.api import Dataset
from faceport.artifacts.recording import (
    Calibration,
    DiskRecorder,
    Limits,
    MemoryRecorder,
    Recording,
    choose,
    digest_calls,
)
from faceport.artifacts.store import Store
from faceport.errors import FaceportError, ImageError
from faceport.types import Sample
from tests.plugins.toys import Toy, network, pictures, reference


class Counted(Dataset):
    """Pictures by number."""

    def __iter__(self) -> Iterator[Sample]:
        for number in range(len(self)):
            yield Sample(str(number), np.zeros((4, 4, 3), np.uint8))

    def __len__(self) -> int:
        return 50


def record(calibration: Calibration, folder: Path, runs: list[int] | None = None) -> dict[str, Recording]:
    made = network("free")

    def sessions() -> dict[str, object]:
        (runs if runs is not None else []).append(1)
        return {"free": _Reference(made)}

    return calibration.record(Toy(made), {"free": {"version": 1}}, sessions, Store(folder))


class _Reference:
    """Answer as the torch module."""

    def __init__(self, made: object) -> None:
        self.made = made

    def run_many(self, batches: list) -> list:
        return [reference(self.made, batch) for batch in batches]  # type: ignore[arg-type]


def test_calls_are_recorded_once_and_read_back(tmp_path: Path) -> None:
    samples = pictures(5, 20, 28)
    runs: list[int] = []
    first = record(Calibration(samples, {"data": "a"}, 5), tmp_path, runs)["free"]
    again = record(Calibration(iter(()), {"data": "a"}, 5), tmp_path, runs)["free"]
    assert len(runs) == 1 and len(first) == len(again) == 5 and first.digest == again.digest
    expected = samples[3].image.astype(np.float32).transpose(2, 0, 1)[None] / 128 - 1
    np.testing.assert_array_equal(again[3]["image"], expected)
    assert [len(call["image"]) for call in again] == [1] * 5
    assert digest_calls(list(again)) == first.digest
    assert record(Calibration(pictures(4, 20, 28), {"data": "b"}, 4), tmp_path)["free"].digest != first.digest


def test_what_is_kept_of_each_call_is_bounded(tmp_path: Path) -> None:
    recorder = DiskRecorder(Limits(calls=3, rows=16), 0, tmp_path)
    for number in range(30):
        recorder.call("net", {"x": np.full((40, 2), number, np.float32)})
    kept = Recording(tmp_path / "net")
    assert recorder.seen == {"net": 30} and len(kept) == 3
    assert all(call["x"].shape == (16, 2) for call in kept)
    assert max(float(call["x"].max()) for call in kept) > 3  # not just the first to come


def test_unreadable_pictures_are_passed_over(tmp_path: Path) -> None:
    def broken() -> np.ndarray:
        raise ImageError("no picture")

    samples = [Sample("broken", broken), *pictures(2, 20, 28)]
    assert len(record(Calibration(samples, {}, 3), tmp_path / "a")["free"]) == 2
    with pytest.raises(FaceportError, match="no readable picture to calibrate on"):
        record(Calibration(samples[:1], {}, 1), tmp_path / "b")


def test_the_choice_of_pictures_is_seeded() -> None:
    chosen = [sample.id for sample in choose(Counted(), 8, seed=3)]
    assert len(set(chosen)) == 8 and chosen == sorted(chosen, key=int)
    assert chosen == [sample.id for sample in choose(Counted(), 8, seed=3)]
    assert chosen != [sample.id for sample in choose(Counted(), 8, seed=4)]
    assert [sample.id for sample in choose(Counted(), 99, seed=0)] == [str(n) for n in range(50)]


def test_every_size_is_recorded_beyond_the_first_calls() -> None:
    recorder = MemoryRecorder(Limits(calls=2, rows=1, sizes=2))
    for height in (9, 8, 9, 8, 7, 7, 6, 5):
        recorder.call("net", {"image": np.zeros((3, 3, height, 4), np.float32)})
    assert [call["image"].shape for call in recorder.calls["net"]] == [(1, 3, n, 4) for n in (9, 8, 7, 6)]
