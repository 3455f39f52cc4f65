"""A simulated CANN: executables and a Python module, put together in a folder by `install`."""

import sys
from pathlib import Path

SITE = Path(__file__).parent / "site"


def install(folder: Path, *programs: str) -> dict[str, str]:
    """Write executables and set_env.sh; give the environment that a user has who has not sourced it."""
    place = folder / "cann" / "bin"
    place.mkdir(parents=True)
    for name in programs:
        words = '"$@"' if name == "python_there" else f'{SITE}/simulated_{name}.py "$@"'
        note = f'echo "$*" >> {folder}/cann/{name}.calls\n'
        (place / name).write_text(f"#!/bin/sh\n{note}PYTHONPATH={SITE} exec {sys.executable} {words}\n")
        (place / name).chmod(0o755)
    script = folder / "cann" / "set_env.sh"
    script.write_text(f"export ASCEND_TOOLKIT_HOME={folder}/cann/8.0\nexport PATH={place}:$PATH\n")
    return {"env_script": str(script), "python": str(place / "python_there")}


def calls(folder: Path, name: str) -> list[str]:
    """List the command lines that a program was started with."""
    path = folder / "cann" / f"{name}.calls"
    return path.read_text().splitlines() if path.is_file() else []
