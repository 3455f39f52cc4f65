"""faceport's own share of CPU time: what is neither decoding, pre-, post-processing nor the network.

A run over JPEG files on each target, one thread inside a run of a network, predictions written as they come.
The four stages are measured by the CPU clock of the thread that they run in; the threads that a runtime keeps
count as the network too. Everything else that the process spends is faceport's own: engine, queues, the
dataset's loop, JSON, and these clocks. OpenCV's own threads are switched off: they would do a part of the
stages where no clock of ours sees it.

    python benchmarks/overhead.py [--pictures 200] [--repeats 5] [--targets onnxruntime,...] [OVERRIDE ...]

Another model on other pictures: model=mtcnn model.weights=FOLDER dataset.path=photos
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import cv2

import faceport
from faceport.api import Model, Network, Session, Steps
from faceport.data.pictures import write_picture
from faceport.data.predictions import PredictionFile
from faceport.engine.engine import Engine
from faceport.shell.pipelines import plan_of
from faceport.types import Sample, Tensors

RETINAFACE = ("model=retinaface_mobilenet", "model.weights=random", "model.size=640", "model.confidence=0.5")
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


def native_seconds() -> float:
    """Read the CPU time of the threads that are not Python's: runtimes keep them."""
    time.sleep(0.1)  # threads that have just ended are gone then
    ours = {str(thread.native_id) for thread in threading.enumerate()}
    tasks = [task for task in Path("/proc/self/task").iterdir() if task.name not in ours]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def shares(run: Callable[[Meter], None]) -> dict[str, float]:
    """Measure one run; give each stage's share of the process's CPU time."""
    meter, before, native = Meter(), time.process_time(), native_seconds()
    run(meter)
    total, native = time.process_time() - before, native_seconds() - native
    stages = {name: seconds / total for name, seconds in meter.seconds().items()}
    stages["network"] += native / total
    return {**stages, "faceport": 1 - sum(stages.values())}


def measure(target: str, folder: Path, words: Sequence[str], pictures: int, repeats: int) -> dict[str, float]:
    """Give the medians of the shares on one target."""
    first = words if any(word.startswith("model=") for word in words) else [*RETINAFACE, *words]
    config = ["dataset=folder", f"dataset.path={folder}", f"target={target}", *first]
    plan = plan_of(config)
    model, sessions = plan.model, plan.build(plan.questions()).sessions

    def run(meter: Meter) -> None:
        opened = {network: MeteredSession(session, meter) for network, session in sessions.items()}
        engine = Engine(MeteredModel(model, meter), opened, plan.settings)
        endless = chain.from_iterable(plan.questions() for _ in count())
        numbered = enumerate(islice(endless, pictures))  # a picture that comes again has another id
        samples = (metered(replace(sample, id=f"{at}/{sample.id}"), meter) for at, sample in numbered)
        with PredictionFile(folder.parent / "predictions.jsonl", fresh=True) as file:
            for prediction in engine.run(samples):
                file.write(prediction)

    run(Meter())
    found = [shares(run) for _ in range(repeats)]
    return {stage: statistics.median(one[stage] for one in found) for stage in found[0]}


def main() -> None:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", default="onnxruntime,openvino,mnn,ncnn,torch")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("overrides", nargs="*")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        for sample in faceport.create("dataset", "synthetic", count=DIFFERENT, size=[640, 640]):
            write_picture(folder / f"{sample.id}.jpg", sample.image)
        for target in asked.targets.split(","):
            found = measure(target, folder, asked.overrides, asked.pictures, asked.repeats)
            print(f"{target:12}", *(f"{stage} {share:.1%}" for stage, share in found.items()), flush=True)


if __name__ == "__main__":
    main()
