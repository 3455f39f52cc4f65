"""Benchmarks of two checkouts, run in turn, and what each number that they print became.

Each checkout runs its own scripts with its own `.venv` and `.cache`; the order changes every round, so that a
machine that is busy with other things hits both alike. A line is found again by its text without its numbers.
Printed are the medians of both, and the ratio new / old of each round: its median, smallest and largest.

    python tools/between.py OLD NEW [--rounds 5] ["engine.py --pictures 100"] [startup.py] ...
"""

import argparse
import os
import re
import shlex
import statistics
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w.])|\d+(?:\.\d+)?(?=%)")
Key = tuple[str, int, int]  # the text of a line without its numbers, which such line, which number in it


def numbers(output: str) -> Iterator[tuple[Key, float]]:
    """Find the numbers of an output, and where they stand."""
    seen: Counter[str] = Counter()
    for line in output.splitlines():
        text = " ".join(NUMBER.sub("#", line).split())
        for index, number in enumerate(NUMBER.findall(line)):
            yield (text, seen[text], index), float(number.replace(",", ""))
        seen[text] += 1


def run(checkout: Path, words: list[str]) -> dict[Key, float]:
    """Run a script once; give what it prints and the CPU time that it took."""
    environment = {**os.environ, "FACEPORT_CACHE": str(checkout / ".cache")}
    command = [str(checkout / ".venv/bin/python"), f"benchmarks/{words[0]}", *words[1:]]
    before = os.times()
    done = subprocess.run(
        command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    after = os.times()
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(words)} failed")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return {**dict(numbers(done.stdout)), ("CPU seconds of the whole script #", 0, 0): spent}


def compare(old: Path, new: Path, words: list[str], rounds: int) -> None:
    """Run a script of both in turn and print what changed."""
    found: dict[Path, dict[Key, list[float]]] = {old: defaultdict(list), new: defaultdict(list)}
    for number in range(rounds):
        for checkout in (old, new) if number % 2 == 0 else (new, old):
            for key, value in run(checkout, words).items():
                found[checkout][key].append(value)
    print(f"== {' '.join(words)}")
    for key, values in found[new].items():
        before = found[old].get(key, [])
        if len(before) != len(values) or before == values or not all(before):
            continue  # another text, or the size of something
        ratios = [one / other for one, other in zip(values, before, strict=True)]
        print(
            f"{statistics.median(before):10.3f} -> {statistics.median(values):10.3f}   "
            f"x {statistics.median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})   "
            f"{key[0]} [{key[2] + 1}]",
            flush=True,
        )


def main() -> None:
    """Compare all that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("scripts", nargs="*", help='e.g. "engine.py --pictures 100"')
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_intermixed_args()
    common = {path.name for path in (asked.old / "benchmarks").glob("*.py")}
    common &= {path.name for path in (asked.new / "benchmarks").glob("*.py")}
    for script in asked.scripts or sorted(common):
        compare(asked.old.resolve(), asked.new.resolve(), shlex.split(script), asked.rounds)


if __name__ == "__main__":
    main()
