"""The processors that this process may use: threads beyond them would only wait for each other."""

from __future__ import annotations

import os


def processors() -> list[int]:
    """List the processors that this process may use, which are fewer where others share the machine."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
