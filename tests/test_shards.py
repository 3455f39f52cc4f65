"""Runs that were split over machines: put their predictions together in any order, get the same numbers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faceport.api import Metric, Scored
from faceport.data.predictions import PredictionFile, read_predictions
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.runs.pairing import Pairing
from faceport.types import Faces, Prediction, Sample

PICTURES = 30
WIDEST = {  # options under which a metric gives all that it can give
    "agreement": {"bootstrap": 5},
    "landmarks": {"bootstrap": 5, "per_face": True, "per_landmark": True, "curve": True},
    "latency": {},
    "verification": {"bootstrap": 5, "scores": True, "curve": True, "per_fold": True},
    "widerface_ap": {
        "bootstrap": 5,
        "curves": True,
        "events": True,
        "levels": ["easy", "hard"],
        "ious": [0.3, 0.5, 0.9],
        "heights": [0, 40, 400],
    },
}


def samples() -> Iterator[Sample]:
    """Draw one person a picture, with everything known about him."""
    return iter(create("dataset", "synthetic", count=PICTURES, size=[96, 128], faces=[1, 1], identities=5))


def predictions() -> list[Prediction]:
    """Say roughly what is true; some pictures could not be read, in some nobody was found."""
    rng = np.random.default_rng(0)
    found = []
    for number, sample in enumerate(samples()):
        truth = sample.truth
        faces = Faces(
            boxes=truth.boxes + rng.normal(0, 2, truth.boxes.shape).astype(np.float32),
            scores=rng.uniform(0.3, 1, len(truth)).astype(np.float32),
            landmarks=truth.landmarks + rng.normal(0, 1, truth.landmarks.shape).astype(np.float32),
            embeddings=(rng.normal(size=(1, 8)) + hash_of(truth.identities[0])).astype(np.float32),
        )
        error = "cannot be read" if number == 7 else ""
        found.append(Prediction(sample.id, faces[:0] if error or number == 11 else faces, error))
    return found


def hash_of(identity: object) -> np.ndarray:
    return np.random.default_rng(sum(str(identity).encode())).normal(size=(1, 8))


def metric_of(name: str, reference: Path) -> Metric:
    """Make a metric that gives all it can; what agreement compares with lies in a file."""
    options = {"reference": str(reference)} if name == "agreement" else {}
    return create("metric", name, **WIDEST[name], **options)


def write(path: Path, lines: list[Prediction]) -> Path:
    with PredictionFile(path, fresh=True) as file:
        for line in lines:
            file.write(line)
    return path


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    """What another run said of the same pictures."""
    folder = tmp_path_factory.mktemp("reference")
    lines = [Prediction(p.id, p.faces.with_fields(boxes=p.faces.boxes + 1)) for p in predictions()]
    return write(folder / "predictions.jsonl", lines)


def test_every_metric_is_tested():
    assert WIDEST.keys() == installed().choices("metric").keys()


@pytest.mark.parametrize("name", WIDEST)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(owners=st.lists(st.integers(0, 3), min_size=PICTURES, max_size=PICTURES), order=st.randoms())
def test_any_split_gives_the_same_numbers(name, reference, tmp_path, owners, order):
    metric = metric_of(name, reference)
    whole = predictions()
    items = list(Pairing(samples(), iter(whole)))
    wanted = metric.compute(items)
    assert wanted or name == "latency"

    shards = [[p for p, owner in zip(whole, owners, strict=True) if owner == one] for one in range(4)]
    for shard in shards:
        order.shuffle(shard)
    paths = [write(tmp_path / f"{number}.jsonl", shard) for number, shard in enumerate(shards)]
    order.shuffle(paths)
    merged = tmp_path / "merged.jsonl"
    merged.write_bytes(b"".join(path.read_bytes() for path in paths))
    assert metric.compute(Pairing(samples(), read_predictions(merged))) == wanted

    shuffled: list[Scored] = list(items)  # a program of one's own may also pair them in another order
    order.shuffle(shuffled)
    assert metric.compute(iter(shuffled)) == wanted
