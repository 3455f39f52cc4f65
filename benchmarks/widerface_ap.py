"""Compare the WIDER FACE average precision with a straightforward loop over thresholds.

    python benchmarks/widerface_ap.py [PREDICTIONS] [--root ROOT] [--images N]

Both are timed in turn on the same arrays in one process. The straightforward version follows the procedure
as anyone would write it down: for each setting, picture and threshold.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from measure import claim, ratio

from faceport.ops.boxes import iou as overlaps
from faceport_widerface_dataset.dataset import WiderFace, WiderFaceOptions
from faceport_widerface_metric.average_precision import ImageFaces, widerface_ap

REAL = Path(__file__).resolve().parents[2] / "shared" / "real" / "wider"
LEVELS = ("easy", "medium", "hard")


def straightforward_ap(images: list[ImageFaces], thresholds: int = 1000, iou: float = 0.5) -> list[float]:
    """Compute the same numbers threshold by threshold."""
    scores = np.concatenate([image.scores for image in images])
    low, high = min(1, scores.min()), max(0, scores.max())
    normalised = [(image.scores - low) / (high - low) for image in images]
    result = []
    for setting in range(len(LEVELS)):
        proposed, recalled, faces = np.zeros(thresholds), np.zeros(thresholds), 0
        for image, score in zip(images, normalised, strict=True):
            kept = image.kept[:, setting]
            faces += kept.sum()
            if not len(image.truth) or not len(image.boxes):
                continue
            overlap = overlaps(image.boxes.astype(float), image.truth.astype(float), inclusive=True)
            found = np.zeros(len(kept), bool)
            counted, matched = np.ones(len(score), bool), np.zeros(len(score))
            for i, row in enumerate(overlap):
                face = row.argmax()
                if row[face] >= iou:
                    counted[i] = kept[face]
                    found[face] |= kept[face]
                matched[i] = found.sum()
            for t in range(thresholds):
                reached = np.where(score >= 1 - (t + 1) / thresholds)[0]
                if len(reached):
                    proposed[t] += counted[: reached[-1] + 1].sum()
                    recalled[t] += matched[reached[-1]]
        precision = np.divide(recalled, proposed, out=np.zeros(thresholds), where=proposed > 0)
        precision = np.concatenate([[0], precision, [0]])
        recall = np.concatenate([[0], recalled / faces, [1]])
        for i in range(len(precision) - 1, 0, -1):
            precision[i - 1] = max(precision[i - 1], precision[i])
        result.append(float(np.sum(np.diff(recall) * precision[1:])))
    return result


def load(root: Path, predictions: Path) -> list[ImageFaces]:
    dataset = WiderFace(WiderFaceOptions(root=str(root)))
    images = []
    for prediction in dataset.read_predictions(predictions):
        found, faces = prediction.faces, dataset.labels[prediction.id]
        assert found.boxes is not None
        assert found.scores is not None
        assert faces.boxes is not None
        kept = np.column_stack([faces.attributes[level] for level in LEVELS])
        images.append(ImageFaces(found.boxes, found.scores.astype(float), faces.boxes, kept))
    return images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "predictions", nargs="?", type=Path, default=REAL / "preds" / "retinaface_mobilenet025_originsize.zip"
    )
    parser.add_argument("--root", type=Path, default=REAL)
    parser.add_argument("--images", type=int, help="use the first N pictures only")
    options = parser.parse_args()
    images = load(options.root, options.predictions)[: options.images]
    fast = []
    for _ in range(2):
        start = time.perf_counter()
        ours = widerface_ap(images)
        fast.append(time.perf_counter() - start)
    start = time.perf_counter()
    loop = straightforward_ap(images)
    slow = time.perf_counter() - start
    for _ in range(2):
        start = time.perf_counter()
        widerface_ap(images)
        fast.append(time.perf_counter() - start)
    assert np.allclose(ours, loop, rtol=0, atol=1e-12), (ours, loop)
    detections = sum(len(image.scores) for image in images)
    print(
        f"{len(images)} pictures, {detections} detections: AP " + " / ".join(f"{value:.7f}" for value in ours)
    )
    print(f"faceport {np.median(fast):.2f} s, straightforward {slow:.1f} s")
    claim("WIDER FACE AP", "a loop over thresholds'", ratio([slow] * len(fast), fast), 50)


if __name__ == "__main__":
    main()
