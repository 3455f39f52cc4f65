"""From the command to the annotated picture: `faceport predict photo.jpg model=mtcnn` against a plain script.

The script imports onnxruntime and OpenCV, opens the same three networks, asks P-Net for all sizes of the same
picture, the others for as many candidates as MTCNN typically has, and writes a picture; it decides nothing.
Whole processes take turns; everything was compiled and read before.

    python benchmarks/first_answer.py [PHOTO] [--repeats 15] [--weights FOLDER]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from measure import claim, in_turns, ratio

import faceport
from faceport.artifacts.builder import Builder
from faceport.data.pictures import write_picture
from faceport_facenet.mtcnn import OFFICIAL

PLAIN = """
import sys
import cv2, numpy as np, onnxruntime as ort
photo, out, *files = sys.argv[1:]
options = ort.SessionOptions()
options.intra_op_num_threads = 1
pnet, rnet, onet = (ort.InferenceSession(file, options) for file in files)
image = cv2.imread(photo)
height, width = image.shape[:2]
def tensor(pixels):
    return ((pixels[..., ::-1].astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2)
scale = 12 / 20
while min(height, width) * scale >= 12:
    size = int(width * scale + 1), int(height * scale + 1)
    pnet.run(None, {"image": tensor(cv2.resize(image, size, interpolation=cv2.INTER_AREA)[None])})
    scale *= 0.709
for net, side, count in ((rnet, 24, 300), (onet, 48, 30)):
    crop = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    net.run(None, {"image": tensor(np.repeat(crop[None], count, axis=0))})
cv2.imwrite(out, cv2.rectangle(image, (10, 10), (60, 60), (0, 255, 0), 2))
"""


def run(words: Sequence[str]) -> None:
    """Run a process to its end."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def children() -> float:
    """Read the CPU seconds of all processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photo", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--weights", default=OFFICIAL, help="folder with pnet.pt, rnet.pt and onet.pt")
    options = parser.parse_args()
    model = faceport.create("model", "mtcnn", weights=options.weights)
    built = Builder(model, faceport.create("target", "onnxruntime"), "onnxruntime", count=0).build()
    files = [str(built.artifacts[name].path / "model.onnx") for name in ("pnet", "rnet", "onet")]
    built.close()
    with tempfile.TemporaryDirectory() as folder:
        photo = options.photo or Path(folder, "drawn.png")
        if not options.photo:
            [sample] = faceport.create("dataset", "synthetic", count=1, size=[720, 960], faces=[4, 4])
            write_picture(photo, sample.image)
        words = [
            "predict",
            str(photo),
            "model=mtcnn",
            f"model.weights={options.weights}",
            f"out={folder}/out",
        ]
        candidates = {
            "plain": partial(run, [sys.executable, "-c", PLAIN, str(photo), f"{folder}/plain.png", *files]),
            "faceport": partial(run, [sys.executable, "-m", "faceport", *words, "overwrite=true"]),
        }
        for candidate in candidates.values():
            candidate()
        for clock, name in ((None, "wall time"), (children, "CPU time")):
            seconds = in_turns(candidates, options.repeats, **({"clock": clock} if clock else {}))
            found = ratio(seconds["faceport"], seconds["plain"])
            what = f"first answer of MTCNN, warm, {name} (less is better)"
            claim(what, "a plain script's", found, 1.3)


if __name__ == "__main__":
    main()
