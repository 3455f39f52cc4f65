"""Compare the LFW protocol with a straightforward loop over thresholds.

    python benchmarks/verification.py [--pairs N] [--size D]

Both compute accuracy and validation rate of the same 10 folds, in turn, in one process.
"""

import argparse
import time

import numpy as np
from measure import claim, ratio

from faceport_verification.folds import Array, Mask, evaluate_folds


def straightforward(
    first: Array, second: Array, same: Mask, far: float = 1e-3
) -> tuple[list[float], list[float]]:
    """Try one threshold after the other."""
    apart = np.sum((first - second) ** 2, axis=1)
    accuracies, vals = [], []
    for test in np.array_split(np.arange(len(same)), 10):
        train = np.setdiff1d(np.arange(len(same)), test)
        distance, flags = apart[train], same[train]
        grid = np.arange(0, 4, 0.01)
        right = [np.mean((distance < threshold) == flags) for threshold in grid]
        threshold = grid[np.argmax(right)]
        accuracies.append(float(np.mean((apart[test] < threshold) == same[test])))
        grid = np.arange(0, 4, 0.001)
        rates = [np.sum((distance < level) & ~flags) / np.sum(~flags) for level in grid]
        limit = np.interp(far, rates, grid) if max(rates) >= far else 0.0
        vals.append(float(np.mean(apart[test][same[test]] < limit)))
    return accuracies, vals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=6000, help="6,000 is LFW")
    parser.add_argument("--size", type=int, default=512, help="of an embedding")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    same = np.tile(np.repeat([True, False], options.pairs // 20), 10)
    first = rng.normal(size=(len(same), options.size))
    noise = rng.normal(size=first.shape)
    second = np.where(same[:, None], first + 6 * noise, noise)
    first, second = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (first, second))
    times: dict[str, list[float]] = {"faceport": [], "straightforward": []}
    for _ in range(5):
        start = time.perf_counter()
        folds = evaluate_folds(first, second, same)
        middle = time.perf_counter()
        accuracies, vals = straightforward(first, second, same)
        times["faceport"].append(middle - start)
        times["straightforward"].append(time.perf_counter() - middle)
    assert folds.accuracy.tolist() == accuracies
    assert folds.val.tolist() == vals
    fast, slow = np.median(times["faceport"]), np.median(times["straightforward"])
    print(f"{len(same)} pairs of {options.size}: accuracy {np.mean(accuracies):.4f}, VAL {np.mean(vals):.4f}")
    print(f"faceport {fast * 1e3:.1f} ms, straightforward {slow * 1e3:.0f} ms")
    found = ratio(times["straightforward"], times["faceport"])
    claim(f"verification, {len(same)} pairs", "a loop over thresholds'", found, 100)


if __name__ == "__main__":
    main()
