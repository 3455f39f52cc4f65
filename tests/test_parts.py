"""A run in parts, merged, is the run of the whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli import faceport

MODEL = ["model=retinaface_mobilenet", "model.weights=random", "model.size=96", "model.confidence=0.01"]
WORDS = ["run", *MODEL, "dataset=synthetic", "dataset.count=11", "dataset.size=[96,128]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Run the whole, and its three parts, in folders of their own."""
    place = tmp_path_factory.mktemp("parts")
    faceport(*WORDS, "out=whole", "record=whole.json", folder=place)
    for number in (3, 1, 2):
        faceport(*WORDS, f"part={number}/3", "out=parts", folder=place)
    return place


def parts(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in sorted((folder / "parts").glob("*/"))]


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def test_merged_parts_equal_the_whole_byte_for_byte(folder):
    shown = faceport("merge", *parts(folder), "out=merged", "record=merged.json", folder=folder)
    assert "widerface_ap" in shown
    whole, merged = only(folder, "whole/*/predictions.jsonl"), only(folder, "merged/*/predictions.jsonl")
    assert merged.read_bytes() == whole.read_bytes()
    one, other = (json.loads((folder / f"{name}.json").read_text()) for name in ("whole", "merged"))
    assert json.dumps(one["metrics"]) == json.dumps(other["metrics"])
    assert other["samples"]["total"] == other["samples"]["predicted"] == 11
    assert [part["part"] for part in other["parts"]] == ["1/3", "2/3", "3/3"]
    assert other["timing"]["samples"] == 11
    assert merged.parent.name == whole.parent.name, "the same command finds what was merged"


def test_a_merged_run_is_kept_as_a_whole_one(folder):
    faceport("merge", *parts(folder), "out=again", folder=folder)
    shown = faceport(*WORDS, "out=again", "fresh=false", folder=folder)
    assert "kept from an earlier run" in shown


def test_what_does_not_make_one_whole_is_refused(folder):
    first, second, third = parts(folder)
    said = faceport("merge", first, second, "out=x", folder=folder, code=1)
    assert "do not make one whole" in said and "missing" in said
    said = faceport("merge", first, first, second, third, "out=x", folder=folder, code=1)
    assert "do not make one whole" in said
    said = faceport("merge", "out=x", folder=folder, code=1)
    assert "name the folders of the parts" in said
    said = faceport("merge", str(only(folder, "whole/*/")), "out=x", folder=folder, code=1)
    assert "is a run over all pictures" in said
    faceport(*WORDS[:-1], "dataset.size=[64,64]", "part=1/3", "out=other", folder=folder)
    other = str(only(folder, "other/*/").relative_to(folder))
    said = faceport("merge", other, second, third, "out=x", folder=folder, code=1)
    assert "differ in more than their part: in dataset" in said
    assert not (folder / "x").exists()


def test_a_part_that_is_not_done_is_refused(folder, tmp_path):
    shutil.copytree(folder / "parts", tmp_path / "parts")
    copies = parts(tmp_path)
    record = tmp_path / copies[0] / "record.json"
    content = {**json.loads(record.read_text()), "status": "failed", "reason": "the disk is full"}
    record.write_text(json.dumps(content))
    assert "was altered" in faceport("merge", *copies, "out=x", folder=tmp_path, code=1)
    del content["sha256"]
    record.write_text(json.dumps(content))
    said = faceport("merge", *copies, "out=x", folder=tmp_path, code=1)
    assert "is failed, not done: the disk is full" in said


def test_a_part_goes_on_where_it_stopped(folder):
    path = sorted(folder.glob("parts/*/predictions.jsonl"))[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1]) + lines[1][:10])
    (path.parent / "record.json").unlink()
    number = next(n for n in (1, 2, 3) if _is_part(path.parent, n))
    faceport(*WORDS, f"part={number}/3", "out=parts", folder=folder)
    assert path.read_bytes() == b"".join(lines)


def _is_part(place: Path, number: int) -> bool:
    first = json.loads((place / "predictions.jsonl").read_text().splitlines()[0])["id"]
    whole = only(place.parents[1], "whole/*/predictions.jsonl").read_text().splitlines()
    ids = [json.loads(line)["id"] for line in whole]
    return ids.index(first) == 11 * (number - 1) // 3
