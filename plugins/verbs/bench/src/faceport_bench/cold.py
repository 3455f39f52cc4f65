"""A cold start in a process of its own: how long until the first faces, and how much memory it took."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from faceport.errors import FaceportError

PICTURES = 4  # looked at after the first
MOST_SECONDS = 600


@dataclass(frozen=True)
class Cold:
    """What a process that knew nothing needed."""

    seconds: float  # until the first answer, from the start of Python on
    imported: float  # of them, until our code ran
    opened: float  # of them, until networks were open
    peak_mb: float
    children_mb: float  # of its children; 0: there was none


def cold_start(config: Mapping[str, Any], shape: str | None) -> Cold:
    """Start a process, let it open the networks and look at pictures, and read what it says."""
    began = monotonic()
    given = json.dumps({"config": config, "shape": shape}, default=str)
    child = subprocess.run(
        [sys.executable, "-m", "faceport_bench.cold"],
        input=given,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    lines = child.stdout.splitlines()
    if child.returncode or not lines:
        last = child.stderr.strip().splitlines() or ["it said nothing"]
        raise FaceportError(f"the process that starts cold failed: {last[-1]}")
    said = json.loads(lines[-1])
    imported, opened, first = (said[name] - began for name in ("imported", "opened", "first"))
    return Cold(first, imported, opened - imported, said["peak_mb"], said["children_mb"])


def main() -> None:
    """Be that process."""
    given = json.loads(sys.stdin.read())
    imported = monotonic()
    from faceport_bench.memory import most_memory
    from faceport_bench.subjects import open_cold

    with most_memory() as most:
        run, close = open_cold(given["config"], given["shape"])
        opened = monotonic()
        run()
        first = monotonic()
        for _ in range(PICTURES):
            run()
    close()
    said = {"imported": imported, "opened": opened, "first": first}
    print(json.dumps({**said, "peak_mb": most.own, "children_mb": most.children}))


if __name__ == "__main__":
    main()
