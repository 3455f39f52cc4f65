"""Run the benchmarks one after the other, and write what they claim into benchmarks/README.md.

    python tools/bench.py [NAME ...]

A claim of a benchmark that was not run stays as it is. One that misses its aim is shown; nothing fails.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "benchmarks"
PAGE = FOLDER / "README.md"
SHARED = "measure.py"  # what benchmarks share is none
START, END = "<!-- claims -->", "<!-- end of claims -->"
HEAD = ("what", "times", "quartiles", "aim", "anchor", "benchmark", "machine", "date")


def machine() -> str:
    """Name the processor, as far as it matters here."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        text = ""
    known = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in known.items()}
    flags = fields.get("flags", "").split()
    widest = next((name for name in ("avx512_vnni", "avx_vnni", "avx512f", "avx2") if name in flags), "")
    name = fields.get("model name", platform.machine())
    return ", ".join(filter(None, (name, widest, f"{os.cpu_count()} cores")))


def run(benchmark: Path) -> list[dict[str, Any]] | None:
    """Run one benchmark and read what it claims; None where it fails."""
    print(f"== {benchmark.name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "claims")
        environment = {**os.environ, "FACEPORT_BENCH": str(lines)}
        if subprocess.run([sys.executable, str(benchmark)], check=False, env=environment).returncode:
            return None
        return [json.loads(line) for line in lines.read_text("utf-8").splitlines()] if lines.is_file() else []


def row(claim: dict[str, Any], benchmark: str, where: str) -> str:
    """Write a claim as a line of the table."""
    times, quartiles = f"**{claim['median']:.2f}**", f"{claim['low']:.2f} to {claim['high']:.2f}"
    aim = "" if claim["goal"] is None else f"{claim['goal']:g}"
    what = f"{claim['what']} ({claim['note']})" if claim["note"] else claim["what"]
    today = date.today().isoformat()
    return (
        f"| {what} | {times} | {quartiles} | {aim} | {claim['anchor']} | `{benchmark}` | {where} | {today} |"
    )


def written(page: str, benchmark: str, rows: list[str]) -> str:
    """Put the rows of one benchmark in the place of those that it had."""
    before, _, rest = page.partition(START)
    table, _, after = rest.partition(END)
    kept = [line for line in table.splitlines() if line.startswith("| ") and f"| `{benchmark}` |" not in line]
    lines = [line for line in kept if not line.startswith((f"| {HEAD[0]} ", "| --- "))]
    head = [f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
    body = sorted([*lines, *rows], key=lambda line: line.split(" | ")[5])
    return f"{before}{START}\n" + "\n".join([*head, *body]) + f"\n{END}{after}"


def main() -> None:
    """Run all benchmarks, or those that are named."""
    names = sys.argv[1:] or sorted(path.name for path in FOLDER.glob("*.py") if path.name != SHARED)
    where = machine()
    failed = []
    for name in names:
        claims = run(FOLDER / name)
        if claims is None:  # its data may not be here: the others go on
            failed.append(name)
        elif claims:
            rows = [row(claim, name, where) for claim in claims]
            PAGE.write_text(written(PAGE.read_text("utf-8"), name, rows), "utf-8")
    if failed:
        sys.exit(f"failed, and what they claim stays as it was: {', '.join(failed)}")


if __name__ == "__main__":
    main()
