"""MTCNN through faceport's engine against the published way to run it: torch eager, one picture at a time.

The baseline resizes each size of the picture and each candidate with torch, as facenet-pytorch does, with as
many threads as torch likes; selection is faceport's own, which is the faster one. Blocks of frames alternate
between all candidates, and all must find the same faces before ratios are printed.

    python benchmarks/mtcnn.py [VIDEO] [--frames 12] [--repeats 4] [--weights FOLDER]

Without a video the frames are drawn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

import faceport
from faceport.artifacts.builder import Builder
from faceport.engine.engine import Engine
from faceport.engine.flow import Settings
from faceport.networks.modules import load_module
from faceport.types import Faces, Image, Sample
from faceport_facenet.mtcnn import ONET_SIZE, RNET_SIZE, Mtcnn
from faceport_facenet.stages import decide, merge, propose, pyramid, refine, regions

HEIGHT, WIDTH = 720, 1280

Run = Callable[[list[Image]], list[Faces]]


class Eager:
    """Run MTCNN on one picture at a time."""

    def __init__(self, model: Mtcnn) -> None:
        self.options = model.options
        self.nets = {name: load_module(network) for name, network in model.networks.items()}
        self.threads = torch.get_num_threads()

    def run(self, frames: list[Image]) -> list[Faces]:
        """Take the frames one after the other."""
        torch.set_num_threads(self.threads)
        with torch.inference_mode():
            return [self.one(frame) for frame in frames]

    def one(self, image: Image) -> Faces:
        """Find the faces of one picture."""
        height, width = image.shape[:2]
        planes = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        first, second, third = self.options.thresholds
        found = []
        for level in pyramid(height, width, self.options.min_face_size, self.options.factor):
            resized = interpolate(planes, size=(level.height, level.width), mode="area")
            offsets, scores = self.ask("pnet", resized)
            found.append(propose(offsets[0], scores[0], level.scale, first))
        boxes, pixels = regions(merge(found), height, width)
        offsets, scores = self.ask("rnet", crops(planes, pixels, RNET_SIZE))
        boxes = refine(boxes, offsets, scores, second)
        boxes, pixels = regions(boxes, height, width)
        offsets, points, scores = self.ask("onet", crops(planes, pixels, ONET_SIZE))
        boxes, scores, points = decide(boxes, offsets, points, scores, third)
        return Faces(boxes=boxes, scores=scores, points=points)

    def ask(self, name: str, pixels: Tensor) -> list[NDArray[np.float32]]:
        """Normalise and run a network."""
        return [output.numpy() for output in self.nets[name]((pixels - 127.5) * 0.0078125)]


def crops(planes: Tensor, pixels: NDArray[np.integer], size: int) -> Tensor:
    """Resize one candidate after the other."""
    cut = [planes[:, :, y1:y2, x1:x2] for x1, y1, x2, y2 in pixels.tolist()]
    return torch.cat([interpolate(crop, size=(size, size), mode="area") for crop in cut])


class Driven:
    """Run MTCNN through the engine."""

    def __init__(self, model: Mtcnn, target: str, batch_size: int) -> None:
        built = Builder(model, faceport.create("target", target, threads=1), target, count=0).build()
        self.engine = Engine(model, dict(built.sessions), Settings(batch_size=batch_size))

    def run(self, frames: list[Image]) -> list[Faces]:
        """Hand all frames to the engine."""
        torch.set_num_threads(1)
        samples = (Sample(str(index), frame) for index, frame in enumerate(frames))
        return [prediction.faces for prediction in self.engine.run(samples)]


def read(video: str, count: int) -> list[Image]:
    """Read every sixth frame, as large as 720p video."""
    capture = cv2.VideoCapture(video)
    frames: list[Image] = []
    while len(frames) < count:
        for _ in range(6):
            known, frame = capture.read()
        if not known:
            break
        frame = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    return frames


def drawn(count: int) -> list[Image]:
    """Draw frames with a handful of faces."""
    dataset = faceport.create("dataset", "synthetic", count=count, size=[HEIGHT, WIDTH], faces=[3, 6])
    return [sample.image for sample in dataset]


def check(name: str, expected: list[Faces], found: list[Faces]) -> None:
    """Hold a candidate to the faces of the baseline."""
    for one, other in zip(expected, found, strict=True):
        assert one.boxes is not None and other.boxes is not None
        assert len(one) == len(other), f"{name} found {len(other)} faces, the baseline {len(one)}"
        np.testing.assert_allclose(other.boxes, one.boxes, rtol=0, atol=0.05)


def main() -> None:
    """Measure and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--weights", help="folder with pnet.pt, rnet.pt and onet.pt")
    options = parser.parse_args()
    weights = {"weights": options.weights} if options.weights else {}
    model = faceport.create("model", "mtcnn", **weights)
    frames = read(str(options.video), options.frames) if options.video else drawn(options.frames)
    candidates: dict[str, Callable[[list[Image]], list[Faces]]] = {
        "torch eager, one at a time": Eager(model).run
    }
    for target in ("torch", "onnxruntime"):
        for batch_size in (1, 32, 256):
            candidates[f"engine, {target}, batches of {batch_size}"] = Driven(model, target, batch_size).run
    results = {name: run(frames) for name, run in candidates.items()}
    baseline = next(iter(results))
    for name, found in results.items():
        check(name, results[baseline], found)
    faces = sum(map(len, results[baseline]))
    print(f"{len(frames)} frames of {WIDTH}x{HEIGHT}, {faces} faces, the same for all")
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(options.repeats):
        for name, run in candidates.items():
            before = time.perf_counter()
            run(frames)
            seconds[name].append(time.perf_counter() - before)
    for name, spent in seconds.items():
        ratios = [slow / fast for slow, fast in zip(seconds[baseline], spent, strict=True)]
        print(f"{name:36s} {statistics.median(ratios):5.2f} times the frames per second")


if __name__ == "__main__":
    main()
