"""The network stage inside the engine against the bare runtime with ready batches, for every target here.

The bare loop calls the very session that the engine uses, from as many threads as it has streams. Rounds
alternate; only ratios are printed: 1.00 is as fast as the bare runtime.

    python benchmarks/targets.py [--size 640] [--rounds 7] [--calls 40] [--option KEY=VALUE ...] [TARGET ...]

Options are those of the targets named, e.g. tvm --option tuning=864.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from omegaconf import OmegaConf

import faceport
from faceport.api import Model, Network, Session, Steps
from faceport.artifacts.builder import Builder
from faceport.engine.engine import Engine
from faceport.engine.flow import Settings
from faceport.errors import FaceportError
from faceport.plugins.index import installed
from faceport.types import Call, Faces, Sample, Tensors

SLOW = ("tvm",)  # untuned: measured when asked for by name


class Ready(Model):
    """Ask a network for tensors that are there already."""

    def __init__(self, network: Network, tensors: Tensors) -> None:
        super().__init__()
        self.network, self.tensors = network, tensors

    @property
    def networks(self) -> Mapping[str, Network]:
        """The one network."""
        return {self.network.name: self.network}

    def predict(self, sample: Sample) -> Steps:
        """Pass the tensors on."""
        yield Call(self.network.name, self.tensors)
        return Faces()


def bare(session: Session, tensors: Tensors, calls: int) -> float:
    """Time the runtime alone."""
    before = time.perf_counter()
    with ThreadPoolExecutor(session.streams) as pool:
        list(pool.map(lambda _: session.run(tensors), range(calls)))
    return time.perf_counter() - before


def driven(engine: Engine, calls: int) -> float:
    """Time the engine."""
    picture = np.zeros((1, 1, 3), np.uint8)
    before = time.perf_counter()
    for _ in engine.run(Sample(str(number), picture) for number in range(calls)):
        pass
    return time.perf_counter() - before


def measure(name: str, size: int, rounds: int, calls: int, options: Mapping[str, object]) -> Iterator[str]:
    """Give a line for a target."""
    model = faceport.create("model", "retinaface_mobilenet", weights="random", size=size)
    network = model.networks["retinaface"]
    target = faceport.create("target", name, **options)
    if target.missing():
        yield f"{name:12} {target.missing()}"
        return
    built = Builder(model, target, name).build()
    session = built.sessions["retinaface"]
    tensors = network.example_inputs()
    engine = Engine(Ready(network, tensors), built.sessions, Settings())
    bare(session, tensors, 4)
    driven(engine, 4)
    pairs = []
    for number in range(rounds):
        if number % 2:
            slow, fast = bare(session, tensors, calls), driven(engine, calls)
        else:
            fast, slow = driven(engine, calls), bare(session, tensors, calls)
        pairs.append(slow / fast)
    built.close()
    yield f"{name:12} engine / bare runtime {statistics.median(pairs):.3f} ({session.streams} streams)"


def main() -> None:
    """Measure every target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    given = dict(OmegaConf.from_dotlist(options.option))
    for name in options.targets or [n for n in sorted(installed().choices("target")) if n not in SLOW]:
        try:
            for line in measure(name, options.size, options.rounds, options.calls, given):
                print(line, flush=True)
        except FaceportError as error:
            print(f"{name:12} {error}")


if __name__ == "__main__":
    main()
