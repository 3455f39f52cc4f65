"""A simulated Vastai SDK: executables, put together in a folder by `install`."""

import sys
from pathlib import Path

SITE = Path(__file__).parent / "site"


def install(folder: Path, *programs: str) -> dict:
    """Write executables and activate.sh; give the options of a user who has not sourced it."""
    place = folder / "sdk" / "bin"
    place.mkdir(parents=True)
    for name in programs:
        note = f'echo "$*" >> {folder}/sdk/{name}.calls\n'
        line = f'PYTHONPATH={SITE} exec {sys.executable} {SITE}/simulated_{name}.py "$@"\n'
        (place / name).write_text(f"#!/bin/sh\n{note}{line}")
        (place / name).chmod(0o755)
    compiling, running = folder / "sdk" / "vamc.sh", folder / "sdk" / "activate.sh"
    compiling.write_text(f"export PATH={place}:$PATH\n")
    running.write_text(f"export VASTSTREAMX_ROOT={folder} VASTPIPE_ROOT={folder} PATH={place}:$PATH\n")
    return {"compile_script": str(compiling), "run_scripts": [str(running)]}


def calls(folder: Path, name: str) -> list[str]:
    """List the command lines that a program was started with."""
    path = folder / "sdk" / f"{name}.calls"
    return path.read_text().splitlines() if path.is_file() else []
