"""Compile one network in a process of its own: NETWORK CHIP PRECISION OUT.

Qualcomm's compiler numbers the graphs of a process and writes the numbers into what it makes: only the first
is the same each time. What it prints, and what it may crash of, stays here too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import onnx

from faceport.errors import FaceportError
from faceport_qnn.options import QnnOptions
from faceport_qnn.provider import compile_context


def main(network: str, chip: str, precision: Any, out: str) -> int:
    """Compile, or say in the last line why not."""
    try:
        compile_context(onnx.load(network), Path(out), QnnOptions(chip=chip, precision=precision))
    except FaceportError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
