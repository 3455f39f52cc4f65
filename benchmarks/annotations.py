"""Would an index of annotation files, cached by content, pay? Compare reading them with loading a cache.

    python benchmarks/annotations.py [--faces N]

Both are timed in turn in one process, on made-up files of the published sizes. A cache has to hash the file,
to know that it is the same, and to load what was read then (here: a pickle, quicker than anything safer).
"""

import argparse
import hashlib
import json
import pickle
import time
from collections.abc import Callable, Mapping

import numpy as np

from faceport.types import Faces
from faceport_coco_keypoints.dataset import parse as parse_coco
from faceport_wflw.dataset import parse as parse_wflw
from faceport_widerface_dataset.annotations import read_text

ROUNDS = 3
Parse = Callable[[str, bytes], Mapping[str, Faces]]


def wflw(faces: int) -> bytes:
    rng = np.random.default_rng(0)
    rows = [" ".join(f"{value:.6f}" for value in rng.uniform(0, 900, 196)) for _ in range(100)]
    lines = (f"{rows[i % 100]} 10 20 300 400 0 1 0 1 0 1 0--Parade/{i}.jpg" for i in range(faces))
    return "\n".join(lines).encode()


def widerface(faces: int) -> bytes:
    rows = "\n".join(f"{10 * i} 20 30 40 0 0 0 0 2 0" for i in range(12))
    return "\n".join(f"0--Parade/{i}.jpg\n12\n{rows}" for i in range(faces // 12)).encode()


def coco(faces: int) -> bytes:
    rng = np.random.default_rng(0)
    points = [rng.uniform(0, 450, 204).round(3).tolist() for _ in range(100)]
    items = [
        {"id": i, "image_id": i, "keypoints": points[i % 100], "bbox": [10, 20, 200, 220], "iscrowd": 0}
        | {"center": [110.0, 130.0], "scale": 1.8}
        for i in range(faces)
    ]
    images = [{"id": i, "file_name": f"AFW/{i}.jpg"} for i in range(faces)]
    return json.dumps({"images": images, "annotations": items}).encode()


def compare(name: str, parse: Parse, content: bytes) -> None:
    index = pickle.dumps(parse(name, content), protocol=5)
    read, cached = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        parse(name, content)
        middle = time.perf_counter()
        hashlib.sha256(content).hexdigest()
        pickle.loads(index)
        cached.append(time.perf_counter() - middle)
        read.append(middle - start)
    print(
        f"{name}: {len(content) / 1e6:.0f} MB, read in {min(read):.2f} s, from a cache {min(cached):.2f} s, "
        f"ratio {min(read) / min(cached):.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=60_000, help="of the largest file")
    options = parser.parse_args()
    compare("WFLW, 10,000 faces", parse_wflw, wflw(10_000))
    compare("WIDER FACE train, 159,000 faces", read_text, widerface(159_000))
    compare(f"COCO-style, {options.faces:,} faces", parse_coco, coco(options.faces))


if __name__ == "__main__":
    main()
