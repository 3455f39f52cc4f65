"""What a run that goes on spends on the predictions that are there already, against a look at each of them.

python benchmarks/resume.py [--lines 20000] [--repeats 7]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from measure import claim, in_turns, ratio

from faceport.data.predictions import FILE, PredictionFile, read_predictions, to_json
from faceport.types import Faces, Prediction, Sample

FACES = 10


def written(folder: Path, lines: int) -> Path:
    """Write predictions of as many pictures, ten boxes each."""
    rng = np.random.default_rng(0)
    path = folder / FILE
    with path.open("wb") as file:
        for number in range(lines):
            boxes, scores = rng.random((FACES, 4), np.float32), rng.random(FACES, np.float32)
            file.write(to_json(Prediction(name(number), Faces(boxes=1000 * boxes, scores=scores))))
    return path


def name(number: int) -> str:
    """Name a picture."""
    return f"folder/{number:07}.jpg"


def samples(lines: int) -> Iterator[Sample]:
    """Give the pictures of the data."""
    nothing = np.zeros((1, 1, 3), np.uint8)
    return (Sample(name(number), nothing) for number in range(lines))


def go_on(path: Path, lines: int) -> None:
    """Do what a run does before its first new picture."""
    with PredictionFile(path) as file:
        left = list(file.without_done(samples(lines)))
        assert file.count == lines and not left


def look(path: Path) -> None:
    """Read every prediction once."""
    for _ in read_predictions(path):
        pass


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lines", type=int, default=20000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), options.lines)
        candidates = {"on": partial(go_on, path, options.lines), "look": partial(look, path)}
        seconds = in_turns(candidates, options.repeats, clock=time.process_time)
        each = 1e6 * min(seconds["on"]) / options.lines
        note = f"{each:.1f} us of CPU a line"
        claim("resume", "one full look at the file", ratio(seconds["look"], seconds["on"]), note=note)


if __name__ == "__main__":
    main()
