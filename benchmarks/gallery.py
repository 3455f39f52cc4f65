"""Exact search of the gallery, at ten thousand, a hundred thousand and a million faces.

Exact search is a matrix product, by one thread as in the service. Its time is printed against that of what
comes before it, one face through faceapi_recognition (random weights, one thread). With --graph, where
usearch is installed, its graph (HNSW) is measured, too: time of a search against the exact one's, how many of
the true best ten it finds, how many exact searches its building takes. Embeddings are drawn around people, as
those of faces lie: five of each, and asked for is a sixth. Only ratios are printed.

    python benchmarks/gallery.py [--faces 10000 100000] [--numbers 128] [--graph]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy reads it

import numpy as np
from numpy.typing import NDArray

import faceport
from faceport.artifacts.builder import Builder
from faceport.engine.engine import Engine
from faceport.types import Faces, Sample
from faceport_serve.gallery import Gallery, Matrix

TOP, ASKED, OF_ONE = 10, 50, 5
Rows = NDArray[np.float32]


def drawn(faces: int, numbers: int) -> tuple[Rows, Rows]:
    """Draw embeddings of people, a few of each, and others of the same people to ask for."""
    rng = np.random.default_rng(0)
    people = rng.standard_normal((-(-faces // OF_ONE), numbers), np.float32)

    def seen(who: NDArray[Any]) -> Rows:
        rows = people[who] + 0.6 * rng.standard_normal((len(who), numbers), np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    return seen(np.arange(faces) // OF_ONE), seen(rng.integers(0, len(people), ASKED))


def seconds(function: Callable[[int], object]) -> list[float]:
    """Time a function for each that is asked for."""
    spent = []
    for at in range(ASKED):
        before = time.perf_counter()
        function(at)
        spent.append(time.perf_counter() - before)
    return spent


def one_face() -> Callable[[int], object]:
    """Make what looks at one face."""
    model = faceport.create("model", "faceapi_recognition", weights="random")
    target = faceport.create("target", "onnxruntime", threads=1)
    built = Builder(model, target, "onnxruntime", count=0).build()
    engine = Engine(model, dict(built.sessions))
    sample = Sample("x", np.full((300, 300, 3), 127, np.uint8), faces=Faces(np.float32([[50, 50, 250, 250]])))
    return lambda at: engine.one(sample)


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--numbers", type=int, default=128)
    parser.add_argument("--graph", action="store_true")
    options = parser.parse_args()
    look = one_face()
    for faces in options.faces:
        rows, asked = drawn(faces, options.numbers)
        gallery = Gallery()
        matrix = Matrix(np.arange(faces), ["" for _ in range(faces)], rows)
        gallery.hold("people", matrix)
        exact = lambda at: gallery.search("people", asked[at : at + 1], TOP)  # noqa: B023, E731
        exact(0), look(0)
        spent, model = seconds(exact), seconds(look)
        share = statistics.median(spent) / statistics.median(model)
        print(f"{faces} faces: exact search / one face through the recogniser {share:.3f}")
        if not options.graph:
            continue
        from usearch.index import Index

        index = Index(ndim=options.numbers, metric="cos", dtype="f32")
        before = time.perf_counter()
        index.add(np.arange(faces), rows)
        building = time.perf_counter() - before
        near = seconds(lambda at: index.search(asked[at], TOP))  # noqa: B023
        found = [
            len({match.id for match in exact(at)[0]} & {*index.search(asked[at], TOP).keys.tolist()})
            for at in range(ASKED)
        ]
        ratio = statistics.median(a / b for a, b in zip(near, spent, strict=True))
        print(f"  graph: time / exact {ratio:.3f}, recall {sum(found) / ASKED / TOP:.3f}", end="")
        print(f", building takes {building / statistics.median(spent):.0f} exact searches")


if __name__ == "__main__":
    main()
