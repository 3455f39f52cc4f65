"""Memory while thousands of JPEG files go through a run: it must stay flat.

A folder of links to a few pictures of 640 x 640 is run as `faceport run dataset=folder` does it, with a
network of little cost. Printed is the resident memory after every so many pictures, and its growth.

    python benchmarks/memory.py [--pictures 5000]
"""

import argparse
import os
import tempfile
from pathlib import Path

import faceport
from faceport.data.pictures import write_picture
from faceport.data.predictions import FILE, PredictionFile
from faceport.engine.engine import Engine
from faceport.shell.pipelines import plan_of

DIFFERENT = 25  # pictures that are drawn; the others are links to them
SIDE = 640  # pixels


def resident() -> float:
    """Read the resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def fill(folder: Path, count: int) -> None:
    """Draw pictures and link them until there are enough."""
    folder.mkdir()
    for sample in faceport.create("dataset", "synthetic", count=DIFFERENT, size=[SIDE, SIDE]):
        write_picture(folder / f"{sample.id}.jpg", sample.image)
    drawn = sorted(folder.iterdir())
    for number in range(len(drawn), count):
        os.link(drawn[number % len(drawn)], folder / f"link_{number:06}.jpg")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--every", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name) / "pictures", asked.pictures)
        words = ["model=retinaface_mobilenet", "model.weights=random", "model.size=64", "batch_size=4"]
        words += ["dataset=folder", f"dataset.path={name}/pictures"]
        plan = plan_of(words)
        sessions = plan.build(plan.questions()).sessions
        engine = Engine(plan.model, sessions, plan.settings)
        first = 0.0
        with PredictionFile(Path(name) / FILE) as file:
            for prediction in engine.run(plan.questions()):
                file.write(prediction)
                if file.count % asked.every == 0:
                    now = resident()
                    first = first or now
                    print(f"{file.count:7} pictures  {now:7.1f} MB  {now / first - 1:+6.1%}")


if __name__ == "__main__":
    main()
