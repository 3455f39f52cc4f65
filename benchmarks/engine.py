"""Pictures per second of faceport's engine against the best hand-written loop over the same parts.

The loops use the very functions, session and thread counts that the engine uses. Blocks of pictures alternate
between all candidates, so that a drifting machine hits all alike; only ratios are printed.

    python benchmarks/engine.py [--pictures 500] [--repeats 3] [--block 250]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import Queue
from threading import Thread
from typing import Any, ClassVar

import numpy as np
from measure import claim, ratio

import faceport
from faceport.api import Model, Network, Session, SingleNetworkModel
from faceport.artifacts.builder import Builder
from faceport.data.pictures import decode
from faceport.engine.engine import Engine
from faceport.engine.flow import Settings
from faceport.types import Faces, Sample, Tensors, TensorSpec


class Cheap(SingleNetworkModel):
    """A model whose network costs next to nothing: what is left is decoding and the engine itself."""

    provides = frozenset({"scores"})
    network = Network("cheap", (TensorSpec("x", ("batch", 3, 8, 8)),), (TensorSpec("y", ("batch", 3)),))

    def preprocess(self, sample: Sample) -> Tensors:
        """Take a corner of the picture."""
        return {"x": sample.image[:8, :8].transpose(2, 0, 1)[None].astype(np.float32)}

    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        """Return the means."""
        return Faces(scores=outputs["y"][0])


class CheapSession(Session):
    """Averages."""

    streams = os.cpu_count() or 1
    facts: ClassVar[dict[str, str]] = {}

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        return {"y": inputs["x"].mean((2, 3))}


@dataclass
class Setting:
    """One model with its sessions."""

    name: str
    model: Model
    sessions: dict[str, Session]
    aim: float


def settings() -> Iterator[Setting]:
    """Make the models that are measured."""
    target = faceport.create("target", "onnxruntime", threads=1)
    for size in (320, 640):
        model = faceport.create("model", "retinaface_mobilenet", weights="random", size=size, confidence=0.5)
        built = Builder(model, target, "onnxruntime", count=0).build()
        yield Setting(f"retinaface at {size}", model, dict(built.sessions), aim=0.98)
    yield Setting("next to no network", Cheap(), {"cheap": CheapSession()}, aim=1.0)


def jpegs(count: int) -> list[bytes]:
    """Draw pictures and encode them."""
    dataset = faceport.create("dataset", "synthetic", count=min(count, 50), size=[640, 640])
    from faceport.data.pictures import encode

    drawn = [encode(sample.image) for sample in dataset]
    return [drawn[index % len(drawn)] for index in range(count)]


def one(setting: Setting, picture: bytes) -> Faces:
    """Do everything for one picture, step by step."""
    steps = setting.model.predict(Sample("", decode(picture)))
    try:
        call = next(steps)
        while True:
            call = steps.send(setting.sessions[call.network].run(call.inputs))
    except StopIteration as stop:
        return stop.value


def serial(setting: Setting, pictures: list[bytes]) -> None:
    """Do one picture after the other."""
    for picture in pictures:
        one(setting, picture)


def prefetch(setting: Setting, pictures: list[bytes]) -> None:
    """Decode ahead in one thread, do the rest in another."""
    queue: Queue[Any] = Queue(maxsize=8)

    def feed() -> None:
        for picture in pictures:
            steps = setting.model.predict(Sample("", decode(picture)))
            queue.put((steps, next(steps)))
        queue.put(None)

    Thread(target=feed, daemon=True).start()
    while (item := queue.get()) is not None:
        steps, call = item
        try:
            while True:
                call = steps.send(setting.sessions[call.network].run(call.inputs))
        except StopIteration:
            pass


def pool(setting: Setting, pictures: list[bytes]) -> None:
    """Let as many threads as cores each do everything for a picture."""
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for _ in workers.map(partial(one, setting), pictures):
            pass


def engine(setting: Setting, pictures: list[bytes]) -> None:
    """Let the engine do it."""
    samples = (Sample(str(i), partial(decode, picture)) for i, picture in enumerate(pictures))
    for _ in Engine(setting.model, setting.sessions, Settings()).run(samples):
        pass


def measure(setting: Setting, pictures: list[bytes], repeats: int, block: int) -> None:
    """Print the ratio of the engine to each loop, as the median over blocks."""
    candidates: list[Callable[[Setting, list[bytes]], None]] = [serial, prefetch, pool, engine]
    for candidate in candidates:
        candidate(setting, pictures[:8])
    seconds: dict[str, list[float]] = {candidate.__name__: [] for candidate in candidates}
    spent: dict[str, list[float]] = {candidate.__name__: [] for candidate in candidates}
    for number in range(repeats * len(pictures) // block):
        start = number * block % len(pictures)
        chosen = pictures[start : start + block]
        turn = number % len(candidates)
        for candidate in candidates[turn:] + candidates[:turn]:
            wall, cpu = time.perf_counter(), time.process_time()
            candidate(setting, chosen)
            seconds[candidate.__name__].append(time.perf_counter() - wall)
            spent[candidate.__name__].append(time.process_time() - cpu)
    best = min(("serial", "prefetch", "pool"), key=lambda name: statistics.median(seconds[name]))
    print(f"{setting.name}: best loop is '{best}'")
    for name in ("serial", "prefetch", "pool"):
        cpu = statistics.median(a / b for a, b in zip(spent["engine"], spent[name], strict=True))
        found = ratio(seconds[name], seconds["engine"])
        if name == "pool":
            claim(f"engine, {setting.name}", "a bare thread pool's", found, setting.aim)
        else:
            print(f"  engine / {name:8} speed {found}")
        print(f"  engine / {name:8} CPU time {cpu:.3f}")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--block", type=int, default=250)
    options = parser.parse_args()
    pictures = jpegs(options.pictures)
    for setting in settings():
        measure(setting, pictures, options.repeats, options.block)


if __name__ == "__main__":
    main()
