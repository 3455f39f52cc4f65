"""Training in processes of its own: killed at any moment, and shared by two."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

FACES = ["dataset=synthetic", "dataset.faces=[1,1]", "dataset.size=[96,96]", "dataset.count=16"]
WORDS = ["train", "recipe=pipnet", "model=pipnet_slim", "model.weights=random", *FACES]
WORDS += ["threads=1", "validation.every=1"]
KILLS = 5


def command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "faceport", *WORDS, *words, f"out={folder}"]


def found(folder: Path, name: str) -> Path:
    return next(folder.glob(f"*/{name}"))


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_weights(tmp_path):
    words = ["recipe.batch=4", "steps=24", "keep_every=1", "log_every=1", "recipe.ema=0.9"]
    words += ["validation.share=0.2"]
    subprocess.run(command(tmp_path / "whole", *words), check=True, capture_output=True)
    rng, killed = random.Random(0), 0
    for _ in range(KILLS):
        process = subprocess.Popen(command(tmp_path / "killed", *words), stderr=subprocess.DEVNULL)
        before = {str(path): path.stat().st_mtime_ns for path in tmp_path.glob("killed/*/state.pt")}
        while process.poll() is None:
            now = {str(path): path.stat().st_mtime_ns for path in tmp_path.glob("killed/*/state.pt")}
            if now != before:  # it trains
                time.sleep(rng.uniform(0, 0.8))
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.02)
        killed += process.wait() == -signal.SIGKILL
    assert killed >= 3
    subprocess.run(command(tmp_path / "killed", *words), check=True, capture_output=True)
    for name in ("last.safetensors", "best.safetensors"):
        whole, other = (load_file(found(tmp_path / part, name)) for part in ("whole", "killed"))
        assert all((whole[key] == other[key]).all() for key in whole)
    logs = [found(tmp_path / part, "log.jsonl").read_text() for part in ("whole", "killed")]
    assert logs[0] == logs[1]
    leftovers = [path.name for path in tmp_path.glob("killed/*/*") if path.suffix == ".part"]
    assert not leftovers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("norm", "steps", "most"),
    [
        ("frozen", 50, 1e-5),
        ("sync", 1, 1e-4),  # later steps drift: norms over eight rows make much of the last bits
    ],
)
def test_two_processes_do_what_one_does(norm, steps, most, tmp_path):
    words = ["recipe.batch=8", f"steps={steps}", f"recipe.norm={norm}", "recipe.optimiser=sgd"]
    words += ["validation.share=0", "keep_every=1000"]
    subprocess.run(command(tmp_path / "one", *words), check=True, capture_output=True)
    _, module, name, *rest = command(tmp_path / "two", *words)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run([*torchrun, module, name, *rest], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (load_file(found(tmp_path / part, "last.safetensors")) for part in ("one", "two"))
    assert max(float((one[key] - two[key]).abs().max()) for key in one) < most
