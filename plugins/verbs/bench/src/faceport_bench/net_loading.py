"""The part that needs torch, where it is installed."""

from __future__ import annotations

from types import ModuleType


def work_module() -> ModuleType | None:
    """Import what counts and multiplies by torch; None where there is no torch."""
    try:
        from faceport_bench import net_work
    except ImportError:
        return None
    return net_work
