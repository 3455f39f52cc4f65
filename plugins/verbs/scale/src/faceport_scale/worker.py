"""What a worker does: run one shard, as a process that ends when whoever gave it the work is gone."""

from __future__ import annotations

import json
import os
import sys
import threading

from faceport.errors import FaceportError
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport_scale.pool import MISTAKE


def main() -> int:
    """Read a task from standard input and run it."""
    task = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_sender, daemon=True).start()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, task["processors"])
    try:
        config = task["config"]
        options = {key: config[key] for key in installed().find("verb", "run").options if key in config}
        record = create("verb", "run", **options).act(config)
    except FaceportError as error:
        print(error, file=sys.stderr)
        return MISTAKE
    if record.status not in ("done", "incomplete"):
        print(f"{record.status}: {record.reason}", file=sys.stderr)
        return MISTAKE
    return 0


def _end_with_sender() -> None:
    """Wait until nobody holds the other end of standard input, and leave at once."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # no thread that waits for standard input keeps it
