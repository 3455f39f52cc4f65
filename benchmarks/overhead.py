"""faceport's own share of CPU time: what is neither decoding, pre-, post-processing nor the network.

RetinaFace on ONNX Runtime, one thread inside a run, over JPEG files, predictions written as they come. The
four stages are measured by the CPU clock of the thread that they run in; everything else that the process
spends is counted as faceport's own: engine, queues, the dataset's loop, JSON, and these clocks. OpenCV's own
threads are switched off: they would do a part of the stages where no clock of ours sees it.

    python benchmarks/overhead.py [--size 640] [--weights FILE] [--pictures 200] [--repeats 5]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import cv2

import faceport
from faceport.api import Model, Network, Session, Steps
from faceport.compose import compose_config
from faceport.engine import Engine, Settings
from faceport.media import write_picture
from faceport.plan import make_plan
from faceport.predictions import PredictionFile
from faceport.types import Sample, Tensors

LIMIT = 0.03
DIFFERENT = 25  # pictures that are drawn; the run goes through them again and again


class Meter:
    """CPU seconds by stage, over all threads; cheap, because its own cost counts as faceport's."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    def measured(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that the CPU time of the thread that calls it is noted."""
        note, clock = self.spent.setdefault(stage, []).append, time.thread_time

        def run(*arguments: Any) -> Any:
            before = clock()
            try:
                return work(*arguments)
            finally:
                note(clock() - before)

        return run

    def seconds(self) -> dict[str, float]:
        """Sum up."""
        return {stage: sum(spent) for stage, spent in self.spent.items()}


class MeteredModel(Model):
    """A model whose generator is measured: its first step is pre-processing, the others post-processing."""

    def __init__(self, model: Model, meter: Meter) -> None:
        super().__init__()
        self._model = model
        self._first = meter.measured("preprocess", next)
        self._next = meter.measured("postprocess", lambda steps, answer: steps.send(answer))

    @property
    def networks(self) -> Mapping[str, Network]:
        """Networks of the model."""
        return self._model.networks

    def predict(self, sample: Sample) -> Steps:
        """Step through the model's own generator."""
        steps = self._model.predict(sample)
        calls = self._first(steps)
        try:
            while True:
                calls = self._next(steps, (yield calls))
        except StopIteration as stop:
            return stop.value


class MeteredSession(Session):
    """A session whose runs are measured."""

    facts: Mapping[str, str] = {}

    def __init__(self, session: Session, meter: Meter) -> None:
        self.streams = session.streams
        self._run = meter.measured("network", session.run)

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        return self._run(inputs)


def metered(sample: Sample, meter: Meter) -> Sample:
    """Measure the decoding of a sample."""
    assert callable(sample.source)
    return replace(sample, source=meter.measured("decode", sample.source))


def shares(run: Callable[[Meter], None]) -> dict[str, float]:
    """Measure one run; give each stage's share of the process's CPU time."""
    meter, before = Meter(), time.process_time()
    run(meter)
    total = time.process_time() - before
    stages = {name: seconds / total for name, seconds in meter.seconds().items()}
    return {**stages, "faceport": 1 - sum(stages.values())}


def main() -> None:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--weights", default="random")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        for sample in faceport.create("dataset", "synthetic", count=DIFFERENT, size=[640, 640]):
            write_picture(folder / f"{sample.id}.jpg", sample.image)
        words = ["model=retinaface_mobilenet", f"model.weights={asked.weights}", f"model.size={asked.size}"]
        words += ["model.confidence=0.5", "dataset=folder", f"dataset.path={folder}", "target.threads=1"]
        plan = make_plan(compose_config("run", words))
        assert plan.model is not None
        model, sessions = plan.model, plan.build(plan.questions()).sessions

        def run(meter: Meter) -> None:
            opened = {network: MeteredSession(session, meter) for network, session in sessions.items()}
            engine = Engine(MeteredModel(model, meter), opened, Settings())
            endless = chain.from_iterable(plan.questions() for _ in count())
            samples = (metered(sample, meter) for sample in islice(endless, asked.pictures))
            with PredictionFile(Path(name) / "predictions.jsonl", fresh=True) as file:
                for prediction in engine.run(samples):
                    file.write(prediction)

        run(Meter())
        found = [shares(run) for _ in range(asked.repeats)]
    for stage in ("decode", "preprocess", "network", "postprocess", "faceport"):
        print(f"{stage:12} {statistics.median(one[stage] for one in found):6.2%}")
    own = statistics.median(one["faceport"] for one in found)
    print(f"faceport's own share at {asked.size}: {own:.2%}, limit at 640: {LIMIT:.0%}")


if __name__ == "__main__":
    main()
