"""Examine every plugin, each in a process of its own, and say what is wrong and how to mend it."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from faceport.catalogue.health import Finding, clash_faults, examine, longer_names, remember
from faceport.errors import ConfigError, explain_import
from faceport.files import cache_dir
from faceport.plugins.index import installed
from faceport.plugins.loading import find_class
from faceport.progress import progress, working
from faceport.targets.apart import make_python, python_of
from faceport.verb import Verb
from faceport.verbs.show.text import print_sentence


@dataclass(frozen=True)
class DoctorOptions:
    """What to examine."""

    what: list[str] = field(default_factory=list)  # KIND=NAME; nothing: every plugin
    install: bool = False  # make the Python of its own that a target runs in


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The state of the core, of each plugin, and names that two plugins offer: without and with a way out."""

    house: tuple[str, ...]
    findings: tuple[Finding, ...]
    clashes: tuple[str, ...]
    longer: tuple[str, ...]


class Doctor(Verb):
    """Examine plugins."""

    Options = DoctorOptions
    options: DoctorOptions

    def act(self, config: Mapping[str, Any]) -> Diagnosis:
        """Examine what was asked for."""
        index, pairs = installed(), [word.partition("=") for word in self.options.what]
        owners = {index.find(index.kind(kind).name, name).plugin for kind, _, name in pairs}
        plugins = [plugin for plugin in index.plugins if not pairs or plugin.name in owners]
        if self.options.install:
            install([name for kind, _, name in pairs if kind == "target"])
        with ThreadPoolExecutor(os.cpu_count()) as workers, progress("examining", len(plugins)) as shown:
            findings = tuple(shown.over(workers.map(examine, plugins)))
        remember(findings)
        clashes = () if pairs else tuple(fault.reason for fault in clash_faults())
        longer = () if pairs else tuple(longer_names())
        return Diagnosis(tuple(house()), findings, clashes, longer)

    def show(self, outcome: Diagnosis) -> int:
        """Print a line for each plugin, with what is wrong below it."""
        for line in outcome.house:
            print_sentence(line, 4)
        for finding in outcome.findings:
            missing = [f"target {name}: {why}" for name, why in finding.missing.items() if why]
            state = "broken" if finding.faults else "not usable here" if missing else "ok"
            print(f"{state:15} {finding.plugin.title}")
            for reason in finding.faults or missing:
                print_sentence(f"    {reason}", 4)
        for clash in outcome.clashes:
            print_sentence(f"{'clash':15} {clash}", 16)
        for note in outcome.longer:
            print_sentence(f"{'note':15} {note}", 16)
        return 1 if outcome.clashes or any(finding.faults for finding in outcome.findings) else 0


def install(names: Sequence[str]) -> None:
    """Make the Pythons that targets run in, after showing what goes into them and, on a terminal, asking."""
    if not names:
        raise ConfigError(
            "install=true needs the target to install for: faceport doctor target=NAME install=true"
        )
    for name in names:
        installations = find_class("target", name).apart
        if not installations:
            raise ConfigError(f"target={name} runs in this Python, no other is made for it")
        python = python_of(name, installations)
        if python.is_file():
            print_sentence(f"target={name} has its Python: {python}", 4)
            continue
        print_sentence(f"A Python for target={name} will be made in {python.parents[1]}, with", 4)
        for words in installations:
            print_sentence(f"    pip install {shlex.join(words)}", 8)
        if sys.stdin.isatty() and input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            raise ConfigError(f"nothing was installed for target={name}")
        with working(f"installing for target={name}"):
            make_python(name, installations)


def house() -> list[str]:
    """Describe the core's own state: versions, the store, OpenCV."""
    store = cache_dir()
    try:
        store.mkdir(parents=True, exist_ok=True)
        state = "writable" if os.access(store, os.W_OK) else "NOT writable: set FACEPORT_CACHE"
    except OSError as error:
        state = f"cannot be made ({error.strerror}): set FACEPORT_CACHE"
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    first = f"faceport {version('faceport')}, {python}, {os.cpu_count()} cores; store {store}, {state}"
    try:
        import cv2
    except ImportError as error:
        return [first, f"broken: {explain_import(error)}"]
    return [first, f"OpenCV {cv2.__version__}"]
