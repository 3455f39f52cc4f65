"""Compare the error curve of landmarks with a straightforward loop over thresholds.

    python benchmarks/landmark_metrics.py [--faces N]

Both compute FR and AUC of the same errors, in turn, in one process.
"""

import argparse
import time

import numpy as np
from measure import claim, ratio

from faceport_landmarks.nme import GRID_STEP, Array, area_under_curve, failure_rate, simpson


def straightforward(errors: Array, threshold: float = 0.1) -> tuple[float, float]:
    """Count the faces below each threshold of the published grid."""
    levels = np.arange(0, threshold + GRID_STEP, GRID_STEP)
    shares = np.array([np.count_nonzero(errors <= level) for level in levels]) / len(errors)
    return 1 - shares[-1], simpson(shares, GRID_STEP) / threshold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=2500, help="2,500 is the WFLW test set")
    errors = np.random.default_rng(0).gamma(4, 0.015, parser.parse_args().faces)
    times: dict[str, list[float]] = {"faceport": [], "straightforward": []}
    for _ in range(50):
        start = time.perf_counter()
        ours = failure_rate(errors), area_under_curve(errors)
        middle = time.perf_counter()
        loop = straightforward(errors)
        times["faceport"].append(middle - start)
        times["straightforward"].append(time.perf_counter() - middle)
    assert np.allclose(ours, loop, rtol=0, atol=1e-12), (ours, loop)
    fast, slow = np.median(times["faceport"]), np.median(times["straightforward"])
    print(f"{len(errors)} faces: FR {ours[0]:.4f}, AUC {ours[1]:.6f}")
    print(f"faceport {fast * 1e3:.3f} ms, straightforward {slow * 1e3:.2f} ms")
    found = ratio(times["straightforward"], times["faceport"])
    claim(f"landmarks, FR and AUC of {len(errors)} faces", "a loop over thresholds'", found, 20)


if __name__ == "__main__":
    main()
