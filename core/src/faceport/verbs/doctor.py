"""Examine every plugin, each in a process of its own, and say what is wrong and how to mend it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from faceport.errors import explain_import
from faceport.files import cache_dir
from faceport.plugins.health import Finding, clash_faults, examine, remember
from faceport.plugins.index import installed
from faceport.progress import progress
from faceport.verb import Verb
from faceport.verbs.show.text import print_sentence


@dataclass(frozen=True)
class DoctorOptions:
    """What to examine."""

    what: list[str] = field(default_factory=list)  # KIND=NAME; nothing: every plugin


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The state of the core, of each plugin, and names that two plugins offer."""

    house: tuple[str, ...]
    findings: tuple[Finding, ...]
    clashes: tuple[str, ...]


class Doctor(Verb):
    """Examine plugins."""

    Options = DoctorOptions
    options: DoctorOptions

    def act(self, config: Mapping[str, Any]) -> Diagnosis:
        """Examine what was asked for."""
        index, asked = installed(), [word.partition("=") for word in self.options.what]
        owners = {index.find(index.kind(kind).name, name).plugin for kind, _, name in asked}
        plugins = [plugin for plugin in index.plugins if not asked or plugin.name in owners]
        with ThreadPoolExecutor(os.cpu_count()) as workers, progress("examining", len(plugins)) as shown:
            findings = tuple(shown.over(workers.map(examine, plugins)))
        remember(findings)
        clashes = () if asked else tuple(fault.reason for fault in clash_faults())
        return Diagnosis(tuple(house()), findings, clashes)

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
        return 1 if outcome.clashes or any(finding.faults for finding in outcome.findings) else 0


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
