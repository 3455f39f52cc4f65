"""What is wrong with plugins: found without running them where that is possible, else in other processes.

`python -m faceport.catalogue.health try NAME ...` and `... examine NAME` are what those processes run.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceport.errors import FaceportError
from faceport.files import cache_dir, digest, write_atomically
from faceport.plugins.index import Choice, Plugin, installed, owner
from faceport.plugins.loading import classes, create, load
from faceport.plugins.options import UNSET

LIGHT = {*sys.stdlib_module_names, "faceport", "pluggy", "numpy", "yaml"}  # quick to import
TIMEOUT = 20  # seconds, for `list`
PATIENCE = 120  # seconds, for `doctor`
MARK = "faceport: "  # begins the lines that are ours: a plugin may print, too
HEALTH = "health.json"  # what the doctor, or a failed run, last found out about each plugin


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a plugin."""

    plugin: Plugin
    reason: str


@dataclass(frozen=True)
class Finding:
    """What an examination of a plugin brought: faults, and what its targets lack here."""

    plugin: Plugin
    faults: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)  # target -> what to install


def summary(choice: Choice) -> str:
    """Say in one line what an option is, and what it lacks here."""
    text = str(choice.card.get("summary", ""))
    lacking = lacking_modules(choice)
    return f"{text} (not usable here: {lacking})" if lacking else text


def lacking_modules(choice: Choice) -> str:
    """Name the Python modules that an option needs and that are not installed, without importing any."""
    requires: Mapping[str, str] = choice.card.get("requires") or {}
    lacking = [f"needs {module}: {cure}" for module, cure in requires.items() if not _is_there(module)]
    return "; ".join(lacking)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def known_faults() -> Iterator[Fault]:
    """Collect what is wrong, without ever importing a plugin that could be slow to import."""
    plugins = installed().plugins
    health = _read_health()
    unmet = {plugin.name: _unmet(plugin) for plugin in plugins}
    unseen = [p for p in plugins if not p.faults and not unmet[p.name] and _state(p) not in health]
    light = [plugin for plugin in unseen if _imports(plugin) <= LIGHT | {plugin.module.partition(".")[0]}]
    if light:
        health = remember(try_import(light))
    for plugin in plugins:
        reasons = [*plugin.faults, *unmet[plugin.name], *health.get(_state(plugin), [])]
        yield from (Fault(plugin, reason) for reason in dict.fromkeys(reasons))
    yield from clash_faults()


def clash_faults() -> Iterator[Fault]:
    """Name what two plugins offer under one name where it belongs to neither, or no other will do."""
    index = installed()
    for (kind, name), rivals in index.clashes.items():
        first = owner(rivals, kind, name)
        if first is None or kind == "kind":
            yield Fault(next(plugin for plugin in rivals if plugin is not first), index.clash(kind, name))


def longer_names() -> Iterator[str]:
    """Say what a plugin offers under a name that belongs to a shipped one, and how it is chosen."""
    for (kind, name), rivals in installed().clashes.items():
        first = owner(rivals, kind, name)
        if first is None or kind == "kind":
            continue
        for plugin in rivals:
            if plugin is not first:
                its = f"that of plugin {plugin.title} is chosen by {plugin.word(kind, name)}"
                yield f"{kind} '{name}' is that of {first.distribution}; {its}"


def try_import(plugins: list[Plugin]) -> list[Finding]:
    """Import the modules of several plugins in one process, or in one more for each that ends it."""
    findings, left = [], plugins
    while left:
        command = [sys.executable, "-m", __name__, "try", *(plugin.name for plugin in left)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        except subprocess.TimeoutExpired as slow:
            printed = slow.stdout.decode() if isinstance(slow.stdout, bytes) else ""
            done = subprocess.CompletedProcess(command, 1, printed, f"no end of it after {TIMEOUT} seconds")
        verdicts = dict(_answers(done.stdout))
        findings += [
            Finding(plugin, (verdicts[plugin.name],) if verdicts[plugin.name] else ())
            for plugin in left
            if plugin.name in verdicts
        ]
        left = [plugin for plugin in left if plugin.name not in verdicts]
        if left:
            findings.append(Finding(left[0], (_ended(done),)))
            left = left[1:]
    return findings


def examine(plugin: Plugin) -> Finding:
    """Load one plugin in a process of its own and call its hooks."""
    if plugin.faults:
        return Finding(plugin, plugin.faults)
    command = [sys.executable, "-m", __name__, "examine", plugin.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return Finding(plugin, (f"loading it took more than {PATIENCE} s and was given up",))
    answers = _answers(done.stdout)
    if not answers:
        return Finding(plugin, (_ended(done),))
    return Finding(plugin, tuple(answers[0]["faults"]), answers[0]["missing"])


def _answers(printed: str) -> list[Any]:
    return [json.loads(line.removeprefix(MARK)) for line in printed.splitlines() if line.startswith(MARK)]


def _ended(done: subprocess.CompletedProcess[str]) -> str:
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return f"loading it ended the process: {last}"


def _top_level(plugin: Plugin) -> list[tuple[str, int]]:
    """List what a plugin's module imports at its top, with line numbers, by reading its source."""
    source = _source(plugin)
    if source is None:
        return []
    names = []
    for node in ast.parse(source.read_bytes(), str(source)).body:
        if isinstance(node, ast.Import):
            names += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append((node.module, node.lineno))
    return names


def _imports(plugin: Plugin) -> set[str]:
    return {name.partition(".")[0] for name, _ in _top_level(plugin)}


def _unmet(plugin: Plugin) -> list[str]:
    """Find imports at the top of a plugin's module that cannot succeed."""
    if plugin.faults:
        return []
    try:
        names = _top_level(plugin)
    except SyntaxError as error:
        return [f"its code does not parse: {error.filename}:{error.lineno}: {error.msg}"]
    return [
        f"{_source(plugin)}:{line} imports '{name}', which is not installed: pip install what holds it"
        for name, line in names
        if not _is_there(name)
    ]


def _source(plugin: Plugin) -> Path | None:
    """Find the file that loading a plugin executes first."""
    if plugin.folder is None:
        return None
    last = plugin.module.rpartition(".")[2]
    for place in (plugin.folder / "__init__.py", plugin.folder / f"{last}.py"):
        if place.is_file():
            return place
    return None


def _state(plugin: Plugin) -> str:
    """Name a plugin in the condition it is in: a verdict holds until its code changes."""
    source = _source(plugin)
    stamp = (
        [(str(file), file.stat().st_mtime_ns) for file in sorted(source.parent.glob("*.py"))]
        if source
        else []
    )
    return digest([plugin.name, plugin.distribution, plugin.version, stamp])[:16]


def _read_health() -> dict[str, list[str]]:
    try:
        content = json.loads((cache_dir() / HEALTH).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def remember(findings: Iterable[Finding]) -> dict[str, list[str]]:
    """Keep verdicts for `faceport list`, which runs no plugin's code; give all that are known."""
    health = _read_health()
    for finding in findings:
        health[_state(finding.plugin)] = list(finding.faults)
    with suppress(FaceportError):  # where nothing can be kept, it is found out again
        write_atomically(cache_dir() / HEALTH, json.dumps(health))
    return health


def _try(names: Sequence[str]) -> Iterator[Any]:
    """Import plugins one by one; give name and fault of each."""
    for plugin in installed().plugins:
        if plugin.name in names:
            try:
                load(plugin)
                yield [plugin.name, ""]
            except FaceportError as error:
                yield [plugin.name, str(error)]


def _examine(names: Sequence[str]) -> Iterator[Any]:
    """Load everything that a plugin offers; give its faults, and what its targets lack."""
    plugin = installed().plugin(names[0])
    faults: list[str] = []
    missing: dict[str, str] = {}
    try:
        load(plugin)
        for kind in sorted({choice.kind for choice in plugin.choices}):
            answered = set(classes(plugin, kind))
            for choice in plugin.choices:
                if choice.kind == kind and choice.name not in answered:
                    faults.append(f"its hook names no class for {choice.path.name}")
                elif (
                    choice.kind == kind == "target" and UNSET not in choice.options.values()
                ):  # else it cannot be made before a user chose
                    missing[choice.name] = create("target", choice.name).missing()
    except FaceportError as error:
        faults.append(str(error))
    yield {"faults": faults, "missing": missing}


if __name__ == "__main__":
    for _answer in {"try": _try, "examine": _examine}[sys.argv[1]](sys.argv[2:]):
        print(f"\n{MARK}{json.dumps(_answer)}", flush=True)
