"""What a bundle carries beside its networks: a README, golden vectors, a sample without faceport."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faceport.api import Session, Target
from faceport.engine.ledger import is_away
from faceport.study.golden import write_calls
from faceport.types import Tensors

GOLDEN, SAMPLE = "golden", "sample.py"
CALLS = 2  # of each network
ALLOWED = 1e-3  # largest error of the sample, relative to the spread of an output
COMMANDS = """\
    faceport bundle verify .             # did it arrive whole?
    faceport run artifact=. dataset=...  # needs neither torch nor the weights"""
PROGRAM = f'''"""Run every network on its golden vectors; needs NumPy and the runtime, and no faceport."""

import sys
from pathlib import Path

import numpy as np
{{opening}}

here, worst = Path(__file__).resolve().parent, 0.0
for file in sorted((here / "{GOLDEN}").glob("*.npz")):
    vectors = np.load(file)
    inputs = {{{{key[6:]: vectors[key] for key in vectors if key.startswith("input.")}}}}
    outputs = open_network(here / "networks" / file.stem.rsplit("-", 2)[0])(inputs)
    for key in (key for key in vectors if key.startswith("output.")):
        error = np.abs(outputs[key[7:]] - vectors[key]).max() / max(np.ptp(vectors[key]), 1e-9)
        print(f"{{{{file.name}}}} {{{{key}}}}: off by {{{{error:.1e}}}} of its spread")
        worst = max(worst, error)
sys.exit(worst > {ALLOWED})
'''


def carried(
    target: Target,
    sessions: Mapping[str, Session],
    calls: Mapping[str, Sequence[Tensors]],
    config: Mapping[str, Any],
    versions: Mapping[str, str],
) -> dict[str, bytes]:
    """Give the files by name; no golden vectors where the networks cannot run here."""
    files: dict[str, bytes] = {}
    if sessions and not is_away(sessions):
        with tempfile.TemporaryDirectory() as place:
            for name, session in sessions.items():
                write_calls(Path(place), f"{name}-0", session, calls[name][:CALLS])
            files = {f"{GOLDEN}/{file.name}": file.read_bytes() for file in sorted(Path(place).iterdir())}
        if target.sample():
            files[SAMPLE] = PROGRAM.format(opening=target.sample()).encode()
    return {**files, "README.md": _readme(files, config, versions).encode()}


def _readme(files: Mapping[str, bytes], config: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """Say what lies in the folder, and what to do with it."""
    model, target = config["model"]["name"], config["target"]["name"]
    precision = config["target"].get("precision", "fp32")
    parts = [
        f"# {model} for {target}, {precision}",
        f"Compiled networks (`networks/`, a manifest beside each), made with {_listed(versions)}.",
        COMMANDS,
    ]
    if any(name.startswith(f"{GOLDEN}/") for name in files):
        parts.append(f"`{GOLDEN}/` holds inputs, and what the networks answered where they were compiled.")
    if SAMPLE in files:
        parts.append(f"`python {SAMPLE}` runs them without faceport and holds the answers to these.")
    return "\n\n".join(parts) + "\n"


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {one}" for name, one in versions.items())
