"""Drawing is kept out of speed: it is done before the clock runs."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from faceport.api import Dataset
from faceport.engine.engine import Engine
from faceport.engine.timing import Stages
from faceport.runs import ahead
from faceport.runs.ahead import Ahead
from faceport.types import Sample
from tests.core.toys import Doubling, TwoStages
from tests.plans import act


class Drawn(Dataset):
    """Draw slowly."""

    def __iter__(self) -> Iterator[Sample]:
        return (Sample(f"{index}", self.draw) for index in range(len(self)))

    def __len__(self) -> int:
        return 5

    def draw(self):
        self.drawn = getattr(self, "drawn", 0) + 1
        time.sleep(0.01)
        return np.zeros((4, 4, 3), np.uint8)

    def made(self, sample: Sample) -> Sample:
        return Sample(sample.id, sample.image, sample.truth, sample.faces)


@pytest.mark.parametrize("most", [64, 2])
def test_pictures_are_drawn_first_and_in_order(most, monkeypatch):
    monkeypatch.setattr(ahead, "MOST", most)
    dataset, stages = Drawn(), Stages()
    model = TwoStages()
    engine = Engine(model, dict.fromkeys(model.networks, Doubling()), watches=[stages])
    run = Ahead(dataset, stages)
    assert [one.id for one in run.run(engine, dataset)] == ["0", "1", "2", "3", "4"]
    assert dataset.drawn == 5, "none is drawn twice"
    summary = stages.summary()
    assert summary["draw"]["count"] == 5
    assert run.seconds >= 0.01 * 5 / 64
    assert summary["service_time"]["total_s"] < summary["draw"]["total_s"]


@pytest.mark.parametrize("encoded", [False, True])
def test_a_run_tells_drawing_apart(encoded, tmp_path, capsys):
    words = ["model=retinaface_mobilenet", "model.weights=random", "model.size=96", f"out={tmp_path}"]
    drawn = ["dataset=synthetic", "dataset.count=6", "dataset.size=[96,96]", f"dataset.encoded={encoded}"]
    record = act("run", [*words, *drawn])
    stages = record.timing.stages
    assert stages["draw"]["count"] == 6
    assert stages["decode"]["total_s"] < stages["draw"]["total_s"], "all that is left to do, if anything"
    own = sum(
        stages[name]["total_s"] for name in stages if name not in ("draw", "service_time", "time_in_engine")
    )
    assert stages["service_time"]["total_s"] <= own * 1.01 + 1e-3, "drawing is no part of it"
