"""What targets over files share: where their tool is, how it is reached, the environment that it wants."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from faceport.targets.exchange import ByHand, Carrier, Here, OverSsh
from faceport.targets.tool import Tool

LOCAL, EXCHANGE, SSH = "local", "exchange", "ssh://"
CURES = {  # what the script of a box says
    r"a question was changed on the way": "a question was changed on the way: its checksum is another",
    r"(the tool made \d+ files of \d+)": r"\1: some inputs were skipped. Its log says which",
}


def check_reach(reach: str) -> None:
    """Refuse a way to a machine that does not exist."""
    if reach not in (LOCAL, EXCHANGE) and not reach.startswith(SSH):
        raise ValueError(f"option 'reach' is '{reach}', it must be local, exchange or ssh://host")


def carrier_of(reach: str, tool: Tool) -> Carrier:
    """Give what brings boxes to the tool."""
    if reach == LOCAL:
        return Here(tool)
    return ByHand() if reach == EXCHANGE else OverSsh.to(reach, tool)


def lacking_ssh(reach: str) -> str:
    """Say that ssh is needed for a machine that it reaches, and is not here."""
    return "ssh is not on PATH" if reach.startswith(SSH) and not shutil.which("ssh") else ""


def sourced(*scripts: str) -> str:
    """Write the lines that source a vendor's environment, as far as its scripts exist."""
    places = [shlex.quote(script) for script in scripts]
    return "".join(f"if [ -f {place} ]; then set +eu; . {place}; set -eu; fi\n" for place in places)


def in_environment(command: list[str], *scripts: str) -> list[str]:
    """Have a command run after a vendor's scripts were sourced, as far as they exist."""
    found = [script for script in scripts if Path(script).is_file()]
    if not found:
        return command
    first = " && ".join(f". {shlex.quote(script)}" for script in found)
    return ["sh", "-c", f'{first} && exec "$@"', "sh", *command]


def finds(program: str, scripts: Iterable[str]) -> bool:
    """Tell whether a program is on PATH, as it is or once a vendor's scripts have been sourced."""
    if shutil.which(program):
        return True
    words = in_environment(["sh", "-c", 'command -v "$0"', program], *scripts)
    if words[1] != "-c" or len(words) == 4:  # there is nothing to source
        return False
    return subprocess.run(words, capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode == 0
