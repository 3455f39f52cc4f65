"""Kill -9 at any moment: nothing half under a final name, and the next run ends as an undisturbed one does.

`make test` kills each verb once, `make kill` two hundred times in all. The moments are drawn with a seed.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from faceport.data.videos import VideoWriter
from faceport.testing.drawn import draw_picture
from tests.cli import faceport, start
from tests.core.networks.servers import BODY, ranged, serving

KILLS = int(os.environ.get("FACEPORT_KILLS", "6"))
MODEL = ["model=retinaface_mobilenet", "model.weights=random", "model.size=160", "model.confidence=0.01"]
DATA = ["dataset=synthetic", "dataset.size=[120,160]"]
VERBS = {
    "run": ["run", *MODEL, *DATA, "dataset.count=40"],
    "sweep": ["run", "-m", *MODEL, *DATA, "dataset.count=12", "target=onnxruntime,torch"],
    "compile": ["compile", *MODEL, "out=board"],
    "prepare": ["prepare", *DATA, "dataset.count=80", "size=32", "out=out"],
    "predict": ["predict", "clip.avi", *MODEL, "out=out"],
    "fetch": ["fetch", "model=retinaface_mobilenet", "model.weights={url}/net.pth"],
}

LEAST = {"run": 4, "sweep": 8, "compile": 5, "prepare": 80, "predict": 2, "fetch": 1}  # files to compare

# What is not under a final name: locks, what is begun, and what only says what was begun.
PASSING = re.compile(
    r"(.*/)?\.faceport-[0-9a-f]{12}\.part.*|.*\.lock|cache/locks/.*|cache/tmp/.*|.*\.part(\.json)?|(.*/)?\.tmp-.*"
    r"|(.*/)?\.faceport\.sha256|runs/sweep.*|clip\.avi|(.*/)?pins/.*|.*\.log|cache/health.*|cache/composed/.*"
)
LEFT = re.compile(r"(.*/)?\.faceport-[0-9a-f]{12}\.part.*|cache/tmp/.+|.*\.part(\.json)?|(.*/)?\.tmp-.*")


def files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def content(folder: Path) -> dict[str, Any]:
    """Read what lies under final names, without times and places."""
    return {name: _stable(path) for name, path in files(folder).items() if not PASSING.fullmatch(name)}


def _stable(path: Path) -> Any:
    if path.name == "record.json":
        record = json.loads(path.read_text())
        samples = {key: record["samples"][key] for key in ("total", "predicted", "missing", "unreadable")}
        return [record[key] for key in ("status", "config", "metrics")] + [samples]
    if path.name == "manifest.json":
        manifest = json.loads(path.read_text())
        return [manifest[key] for key in ("recipe", "files", "sha256")]
    return path.read_bytes()


@contextmanager
def place(folder: Path, verb: str) -> Iterator[list[str]]:
    """Make what a command needs, and give its words."""
    folder.mkdir()
    if verb == "predict":
        with VideoWriter(folder / "clip.avi") as writer:
            for number in range(60):
                writer.write(draw_picture(120, 160, number))
    if verb != "fetch":
        yield VERBS[verb]
        return

    answer = ranged(BODY)

    def slowly(request: Any) -> Iterator[bytes]:
        said = answer(request)
        assert isinstance(said, bytes)
        for begin in range(0, len(said), 1 << 16):
            time.sleep(0.03)
            yield said[begin : begin + (1 << 16)]

    with serving(slowly) as server:
        yield [word.format(url=server.url) for word in VERBS[verb]]


def same_place(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out of names what hangs on the port of a server: a hash of the address."""
    return {
        re.sub(r"[0-9a-f]{16,}", "#", name) if "weights/" in name else name: v for name, v in found.items()
    }


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is for POSIX")
@pytest.mark.parametrize("verb", VERBS)
def test_a_kill_at_any_moment_costs_nothing(verb: str, tmp_path: Path) -> None:
    kills = KILLS // len(VERBS) + (list(VERBS).index(verb) < KILLS % len(VERBS))
    rng = random.Random(f"faceport {verb}")
    with place(tmp_path / "undisturbed", verb) as words:
        began = time.perf_counter()
        faceport(*words, folder=tmp_path / "undisturbed")
        lasts = time.perf_counter() - began
        whole = same_place(content(tmp_path / "undisturbed"))
    assert len(whole) >= LEAST[verb], whole.keys()
    killed = rounds = 0
    while killed < kills:
        rounds += 1
        assert rounds < 20 + 3 * kills, "the commands end before they can be killed"
        folder = tmp_path / str(rounds)
        with place(folder, verb) as words:
            for _ in range(min(rng.randint(1, 4), kills - killed)):
                if not kill(words, folder, lasts * rng.uniform(0.1, 1.0)):
                    break  # it was quicker, for the store is warm by now
                killed += 1
                check(content(folder), whole)
            said = faceport(*words, folder=folder)
        assert "being written" not in said
        assert same_place(content(folder)) == whole
        left = [name for name in files(folder) if LEFT.fullmatch(name)]
        assert not left, f"the next run leaves {left}"


def check(found: dict[str, Any], whole: dict[str, Any]) -> None:
    """Compare what a killed process left with what it would have made: whole, begun, or absent."""
    for name, value in same_place(found).items():
        assert name in whole, f"{name} is a file that an undisturbed command does not write"
        if name.endswith(".jsonl"):
            assert whole[name].startswith(value[: value.rfind(b"\n") + 1]), f"{name} is no beginning of it"
        else:
            assert value == whole[name], f"{name} is half, or another"


def kill(words: list[str], folder: Path, moment: float) -> bool:
    """Start a command and kill it; tell whether it still ran."""
    process = start(*words, folder=folder)
    try:
        process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), "the command failed before it was killed"
    return process.returncode == -signal.SIGKILL
