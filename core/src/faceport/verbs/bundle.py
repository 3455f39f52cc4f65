"""Compare the files of bundles with the hashes that they were written with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faceport.artifacts.bundle import Bundle, read_bundle, verify
from faceport.errors import ConfigError, suggest
from faceport.escapes import printable
from faceport.files import expand
from faceport.verb import Verb

ACTIONS = ("verify",)


@dataclass(frozen=True)
class BundleOptions:
    """What to do, and with which folders."""

    action: list[str] = field(default_factory=list)  # verify, then the folders


@dataclass(frozen=True, eq=False)
class Checked:
    """A bundle, and what is wrong with its files."""

    bundle: Bundle
    problems: tuple[str, ...]


class CheckBundle(Verb):
    """Check bundles that were copied or downloaded."""

    Options = BundleOptions
    options: BundleOptions

    def act(self, config: Mapping[str, Any]) -> list[Checked]:
        """Read every byte of the bundles; each must be as it was written."""
        action, *folders = self.options.action or [""]
        if action not in ACTIONS:
            asked = f"no command '{action}'. {suggest(action, ACTIONS)}" if action else "nothing to do. "
            raise ConfigError(f"bundle has {asked} Say faceport bundle verify DIR")
        if not folders:
            raise ConfigError("name the folders: faceport bundle verify DIR ...")
        bundles = [read_bundle(expand(folder)) for folder in folders]
        return [Checked(bundle, tuple(verify(bundle))) for bundle in bundles]

    def show(self, outcome: list[Checked]) -> int:
        """Print a line for each bundle, and one for each file that is not what it was."""
        for checked in outcome:
            path, problems = printable(str(checked.bundle.path)), checked.problems
            print(f"{path}: {len(problems)} wrong" if problems else f"{path}: whole, every hash is right")
            for problem in problems:
                print(f"  {printable(problem)}")
        return 1 if any(checked.problems for checked in outcome) else 0
