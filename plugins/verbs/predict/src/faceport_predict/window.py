"""A window that shows what is looked at, where there is a display."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

import cv2

from faceport.types import Image

PROBE = "import cv2; cv2.namedWindow('faceport'); cv2.waitKey(1); cv2.destroyAllWindows()"
SECONDS = 20.0  # in which a window must open
ENDS = (ord("q"), ord("Q"), 27)  # keys; the last is Escape


def why_none() -> str:
    """Tell why no window can be opened; empty: one can."""
    named = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in named):
        return "there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    try:  # apart, for a library that finds no display ends the process that asked for it
        done = subprocess.run(
            [sys.executable, "-c", PROBE], capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is None or done.returncode:
        return "OpenCV opens no window here (no display that answers, or opencv-python-headless)"
    return ""


class Window:
    """Show pictures; a key (q or Escape), or closing it, says that it is enough."""

    def __init__(self, title: str) -> None:
        self._title = title
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, image: Image) -> bool:
        """Show a picture; tell whether the user has seen enough."""
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if cv2.waitKey(1) & 0xFF in ENDS:
            return True
        return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1)

    def close(self) -> None:
        """Take it away, unless the user did."""
        with suppress(cv2.error):
            cv2.destroyWindow(self._title)
