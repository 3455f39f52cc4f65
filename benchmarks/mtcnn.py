"""MTCNN through faceport's engine against the published way to run it: torch eager, one picture at a time.

The baseline resizes each size of the picture and each candidate with torch, as facenet-pytorch does;
selection is faceport's own, which is the faster one (compiled, where faceport-kernels is installed).
Candidates take turns with all frames, with the same number of threads each, and all must find the same faces
before ratios are printed.

    python benchmarks/mtcnn.py [VIDEO] [--frames 6] [--repeats 5] [--weights FOLDER] [--threads 1,2]

Without a video the frames are drawn; the official weights come from PyPI once.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from measure import claim, in_turns, ratio
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

import faceport
from faceport.artifacts.builder import Builder
from faceport.engine.engine import Engine
from faceport.engine.flow import Settings
from faceport.networks.modules import load_module
from faceport.types import Faces, Image, Sample
from faceport_facenet.mtcnn import OFFICIAL, ONET_SIZE, RNET_SIZE, Mtcnn
from faceport_facenet.stages import decide, merge, propose, pyramid, refine, regions

HEIGHT, WIDTH = 720, 1280
AIMS = {"onnxruntime": {1: 2.5}, "openvino": {1: 3.2, 2: 3.9}, "mnn": {1: 2.5}, "torch": {1: 1.0}}


class Eager:
    """Run MTCNN on one picture at a time."""

    def __init__(self, model: Mtcnn, threads: int) -> None:
        self.options, self.threads = model.options, threads
        self.nets = {name: load_module(network) for name, network in model.networks.items()}

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
    """Run MTCNN through the engine, with its default settings but for the number of threads."""

    def __init__(self, model: Mtcnn, target: str, threads: int) -> None:
        one_each = {} if target == "torch" else {"streams": threads}
        made = faceport.create("target", target, threads=1, **one_each)
        built = Builder(model, made, target, count=0).build()
        self.engine = Engine(model, dict(built.sessions), Settings(workers=threads))

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
        np.testing.assert_allclose(other.boxes, one.boxes, rtol=0, atol=0.1)


def main() -> None:
    """Measure and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--weights", default=OFFICIAL, help="folder with pnet.pt, rnet.pt and onet.pt")
    parser.add_argument("--targets", default=",".join(AIMS))
    parser.add_argument("--threads", default="1,2")
    options = parser.parse_args()
    model = faceport.create("model", "mtcnn", weights=options.weights)
    frames = read(str(options.video), options.frames) if options.video else drawn(options.frames)
    for threads in map(int, options.threads.split(",")):
        cv2.setNumThreads(threads)
        eager = Eager(model, threads)
        engines = {name: Driven(model, name, threads) for name in options.targets.split(",")}
        expected = eager.run(frames)
        for name, engine in engines.items():
            check(name, expected, engine.run(frames))
        print(f"{len(frames)} frames of {WIDTH}x{HEIGHT}, {sum(map(len, expected))} faces, the same for all")
        candidates = {name: partial(engine.run, frames) for name, engine in engines.items()}
        seconds = in_turns({"eager": partial(eager.run, frames), **candidates}, options.repeats)
        for name in engines:
            shown = "video" if options.video else "drawn"
            what = f"MTCNN 720p {shown}, {name}, {threads} thread{'s' if threads > 1 else ''}"
            aim = AIMS.get(name, {}).get(threads)
            claim(what, "facenet-pytorch's way", ratio(seconds["eager"], seconds[name]), aim)


if __name__ == "__main__":
    main()
