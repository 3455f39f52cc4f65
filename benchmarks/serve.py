"""The service under load from another process of this machine, against the engine of `faceport run`.

Three questions. How much of the engine's speed is left behind HTTP: the same pictures, model, target and
threads, in blocks that alternate. How long requests take at 70 % of that, where they come by chance (Poisson)
and wait for nobody, against a queue without any cost of its own that gets the same arrivals. What becomes of
three times as many as there is room for: those refused are told so at once (429), those accepted wait no
longer than the queue is long. Meanwhile the worker's memory is watched. Only ratios are printed.

    python benchmarks/serve.py [--seconds 20] [--size 640] [--target onnxruntime] [--blocks 5]

The loads take about the given seconds, all together; docs/serve.md has the numbers of --seconds 300.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import faceport
from faceport.data.pictures import decode, encode
from faceport.data.predictions import PredictionFile
from faceport.engine.engine import Engine
from faceport.runs.plan import Plan, make_plan
from faceport.types import Sample

QUEUE = 16  # pictures that the service takes at once
ARRIVALS = Path(__file__).with_name("load") / "arrivals.py"
Answers = list[tuple[float, int, float]]  # when it was due, status, seconds


class Load:
    """The process that sends."""

    def __init__(self, address: str, pictures: Sequence[Path]) -> None:
        self._job = {"address": address, "pictures": [str(path) for path in pictures]}
        self._process = subprocess.Popen(
            [sys.executable, str(ARRIVALS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, **job: Any) -> None:
        """Have it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({**self._job, **job}) + "\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """Wait for its answers."""
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def serving(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Run a service; give its address and the process that answers."""
    command = [sys.executable, "-m", "faceport", "serve", *words, "port=0", "log=none", f"queue={QUEUE}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"serving at (\S+) \(process (\d+)\)", line):
                yield found[1], int(found[2])
                return
        raise SystemExit("the service did not start")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def resident(process: int) -> float:
    """Read the memory of a process in MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu(process: int) -> float:
    """Read the CPU seconds that a process has taken."""
    spent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")


def run(plan: Plan, sessions: Any, pictures: Sequence[Path], count: int, folder: Path) -> float:
    """Look at so many pictures as `faceport run` does, predictions written; give pictures a second."""
    engine = Engine(plan.model, sessions, plan.settings)
    chosen = [pictures[number % len(pictures)] for number in range(count)]
    samples = (Sample(f"{number}.jpg", partial(decode, path)) for number, path in enumerate(chosen))
    begun = time.perf_counter()
    with PredictionFile(folder / "predictions.jsonl", fresh=True) as file:
        for prediction in engine.run(samples):
            file.write(prediction)
    return count / (time.perf_counter() - begun)


def percentile(values: Sequence[float], share: float) -> float:
    """Find the value below which a share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ideal(due: Sequence[float], servers: int, service: float) -> list[float]:
    """Give the latencies of a queue that costs nothing, whose servers take so many seconds for each."""
    free, latencies = [0.0] * servers, []
    for when in sorted(due):
        end = max(when, heapq.heappop(free)) + service
        heapq.heappush(free, end)
        latencies.append(end - when)
    return latencies


def now(load: Load, block: int) -> float:
    """Find how many pictures a second the service takes on this machine as it is now."""
    load.start(connections=QUEUE, count=block)
    return float(block / load.end()["seconds"])


def saturation(
    load: Load,
    worker: int,
    plan: Plan,
    sessions: Any,
    pictures: Sequence[Path],
    blocks: int,
    block: int,
    folder: Path,
) -> None:
    """Compare throughputs and CPU times, block by block."""
    ratios, spent = [], []
    for number in range(blocks):
        for turn in (0, 1) if number % 2 else (1, 0):
            if turn:
                before = cpu(os.getpid())
                alone = run(plan, sessions, pictures, block, folder)
                own = cpu(os.getpid()) - before
                continue
            before = cpu(worker)
            load.start(connections=QUEUE, count=block)
            result = load.end()
            taken = cpu(worker) - before
            refused = sum(status != 200 for _, status, _ in result["answers"])
            assert not refused, f"{refused} requests were not answered"
        ratios.append(block / result["seconds"] / alone)
        spent.append((taken / own, result["cpu"] / own))
    spread = f"from {min(ratios):.3f} to {max(ratios):.3f}"
    print(f"service / engine of run: {statistics.median(ratios):.3f}, {spread}")
    more, by_load = (statistics.median(values) for values in zip(*spent, strict=True))
    print(f"  CPU time of the worker / of run {more:.3f}; of the process that sends {by_load:.3f}")


def beside(load: Load, worker: int, **job: Any) -> tuple[Answers, list[float]]:
    """Load the service; give the answers, and the worker's memory over the time."""
    memory = []
    load.start(**job)
    until = time.monotonic() + job["seconds"]
    while time.monotonic() < until:
        memory.append(resident(worker))
        time.sleep(min(1.0, job["seconds"] / 20))
    return load.end()["answers"], memory


def tell(name: str, answers: Answers, capacity: float, seconds: float) -> None:
    """Print what became of requests: latencies in units of what the queue allows."""
    good = [latency for _, status, latency in answers if status == 200]
    refused = [latency for _, status, latency in answers if status == 429]
    lost = len(answers) - len(good) - len(refused)
    bound = QUEUE / capacity  # seconds that a full queue takes
    print(f"{name}: {len(answers)} requests, {len(refused) / len(answers):.0%} refused (429), {lost} lost")
    print(f"  answers / capacity {len(good) / seconds / capacity:.2f}")
    print(
        f"  p50 and p99 / full queue {percentile(good, 0.5) / bound:.2f} {percentile(good, 0.99) / bound:.2f}"
    )
    if refused:
        print(f"  refusals: p50 and p99 / full queue {percentile(refused, 0.5) / bound:.3f} ", end="")
        print(f"{percentile(refused, 0.99) / bound:.3f}")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--weights", default="random")
    parser.add_argument("--target", default="onnxruntime")
    parser.add_argument("--blocks", type=int, default=5)
    options = parser.parse_args()
    model = {"weights": options.weights, "size": options.size, "confidence": 0.5}
    words = [f"model.{key}={value}" for key, value in model.items()]
    words = ["model=retinaface_mobilenet", *words, f"target={options.target}", "target.threads=1"]
    plan = make_plan(
        {
            "model": {"name": "retinaface_mobilenet", **model},
            "target": {"name": options.target, "threads": 1},
        }
    )
    with tempfile.TemporaryDirectory() as name, serving(words) as (address, worker):
        folder = Path(name)
        pictures = []
        for number, sample in enumerate(faceport.create("dataset", "synthetic", count=50, size=[640, 640])):
            pictures.append(folder / f"{number}.jpg")
            pictures[-1].write_bytes(encode(sample.image))
        built, load = plan.build(), Load(address, pictures)
        try:
            sessions = dict(built.sessions)
            speed = run(plan, sessions, pictures, 50, folder)  # warm, and to know how much a block is
            load.start(connections=QUEUE, count=50)
            load.end()
            block = max(50, int(0.4 * options.seconds * speed / options.blocks / 2))
            before = resident(worker)
            saturation(load, worker, plan, sessions, pictures, options.blocks, block, folder)
            capacity = now(load, block)
            seconds = 0.4 * options.seconds
            answers, memory = beside(load, worker, rate=0.7 * capacity, seconds=seconds, seed=0)
            tell("at 70 %", answers, capacity, seconds)
            workers = plan.settings.load(sessions).workers
            queue = ideal([due for due, _, _ in answers], workers, workers / capacity)
            for share in (0.5, 0.99):
                ratio = percentile([latency for *_, latency in answers], share) / percentile(queue, share)
                print(f"  p{100 * share:.0f} / queue without cost, same arrivals {ratio:.2f}")
            capacity = now(load, block)
            seconds = 0.2 * options.seconds
            answers, _ = beside(load, worker, rate=3 * capacity, seconds=seconds, seed=1)
            tell("at three times as many", answers, capacity, seconds)
            print(f"memory of the worker, from beginning to end: {resident(worker) / before:.3f}")
            half = len(memory) // 2
            print(f"  second half of the 70 % / first {max(memory[half:]) / max(memory[:half]):.3f}")
        finally:
            load.close()
            built.close()


if __name__ == "__main__":
    main()
