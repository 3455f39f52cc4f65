"""CPU time of what must feel immediate, with everything installed and beside a plugin that imports torch.

Each command runs in fresh processes; printed is the median of user and system time, children included,
against the limit of 0.5 s.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

LIMIT = 0.5  # seconds of CPU
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "faceport --help": ["-m", "faceport", "--help"],
    "faceport run --help": ["-m", "faceport", "run", "--help"],
    "faceport list": ["-m", "faceport", "list"],
    "completion of a name": ["-m", "faceport", "--complete", "run", "model=reti"],
    "completion of an option": ["-m", "faceport", "--complete", "run", "model=facenet", "model."],
}


def cpu(words: list[str], environment: dict[str, str]) -> float:
    """Run Python once; give its CPU seconds."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(sys.executable, [sys.executable, *words], environment, file_actions=silent)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} failed")
    return usage.ru_utime + usage.ru_stime


def heavy_plugin(site: Path) -> None:
    """Write a plugin as an installer would, one that imports torch at its top."""
    files = {
        "heavy-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: heavy\nVersion: 1.0\n",
        "heavy-1.0.dist-info/entry_points.txt": "[faceport]\nheavy = heavy\n",
        "heavy/__init__.py": "import torch\n",
        "heavy/conf/model/heavy.yaml": "weights: random\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)


def main() -> None:
    """Measure everything, the two environments interleaved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        heavy_plugin(Path(folder) / "site")
        usual = {**os.environ, "FACEPORT_CACHE": f"{folder}/usual"}
        beside = {**os.environ, "FACEPORT_CACHE": f"{folder}/beside", "PYTHONPATH": f"{folder}/site"}
        first = cpu(COMMANDS["faceport list"], usual)
        cpu(COMMANDS["faceport list"], beside)
        print(f"{'':24} CPU s   of limit   beside a plugin that imports torch")
        print(f"{'the very first list':24} {first:.3f}   {first / LIMIT:8.0%}")
        for name, words in COMMANDS.items():
            pairs = [(cpu(words, usual), cpu(words, beside)) for _ in range(repeats)]
            alone = statistics.median(one for one, _ in pairs)
            ratio = statistics.median(other / one for one, other in pairs)
            print(f"{name:24} {alone:.3f}   {alone / LIMIT:8.0%}   x {ratio:.2f}")


if __name__ == "__main__":
    main()
