"""Words of a command line that begin with dashes: -m, one's own folder of configurations, what only shows.

Every flag of Hydra either works or is refused with what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceport.errors import ConfigError, MissingError, suggest
from faceport.shell.offers import Offers, verbs

SHORT = {
    "-m": "--multirun",
    "-r": "--run",
    "-c": "--cfg",
    "-p": "--package",
    "-i": "--info",
    "-cd": "--config-dir",
    "-cn": "--config-name",
    "-cp": "--config-path",
    "-sc": "--shell-completion",
}
COMMANDS = ("--cfg", "--info", "--hydra-help", "--version")  # show something; nothing is run
VALUES = {  # of flags that have one; empty: any
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--package": (),
    "--config-dir": (),
}
OWN_FILE = "write DIR/experiment/NAME.yaml and say --config-dir DIR experiment=NAME"
REFUSED = {
    "--config-name": f"the configuration of a verb has one name. For options of your own, {OWN_FILE}",
    "--config-path": f"the configuration of a verb lies in faceport. For options of your own, {OWN_FILE}",
    "--experimental-rerun": "the same command again repeats a run, or goes on with it",
    "--shell-completion": 'completion comes from: eval "$(faceport completion bash)" (or zsh, fish)',
}
EXPERIMENTS = "experiment"  # folder, below one of configurations
HERE = Path("conf")  # folder of configurations that is looked at unasked


@dataclass(frozen=True)
class Flags:
    """What the flags of a command line say."""

    sweep: bool = False
    folder: Path | None = None  # of configurations, beside ./conf
    shown: tuple[str, ...] = ()  # flags with which Hydra only shows something, as it wants them

    def words(self) -> list[str]:
        """Write them for Hydra."""
        folder = ["--config-dir", str(self.folder)] if self.folder else []
        return [*(["--multirun"] if self.sweep else []), *folder, *self.shown]


def take_flags(offered: Offers, words: Iterable[str]) -> tuple[Flags, list[str]]:
    """Separate flags from all other words; what is no flag of Hydra is left among those."""
    given, rest = _sort([*words])
    for name in given:
        if name in REFUSED:
            raise ConfigError(f"{name} does not exist here: {REFUSED[name]}")
    if "--multirun" in given and not offered.sweeps:
        able = " and ".join(name for name, choice in verbs().items() if choice.card.get("sweep"))
        raise ConfigError(
            f"`faceport {offered.verb}` takes one value of each option: only {able} can be swept"
        )
    commands = [name for name in (*COMMANDS, "--multirun") if name in given]
    if len(commands) > 1:
        raise ConfigError(f"{' and '.join(commands)} exclude each other: leave all but one out")
    for name in ("--package", "--resolve"):
        if name in given and "--cfg" not in given:
            raise ConfigError(f"{name} belongs to --cfg job: it changes what that shows")
    shown = [name for name in given if name in (*COMMANDS, "--package", "--resolve")]
    words_shown = (word for name in shown for word in (name, given[name]) if word)
    return Flags("--multirun" in given, _folder(given), tuple(words_shown)), rest


def _sort(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Find Hydra's flags by their long names, with their values where they have one; give the rest too."""
    given: dict[str, str] = {}
    rest = []
    known = {*SHORT.values(), *COMMANDS, *VALUES, *REFUSED, "--resolve"}
    left = iter(words)
    for word in left:
        typed, equals, value = word.partition("=")
        name = SHORT.get(typed, typed)
        if not word.startswith("-") or name not in known:
            rest.append(word)
            continue
        if name in VALUES and not equals:
            value = next(left, "")
        if name in VALUES and (not value or value.startswith("-")):
            raise ConfigError(f"{typed} lacks its value: {name} {'|'.join(VALUES[name]) or 'FOLDER'}")
        if VALUES.get(name) and value not in VALUES[name]:
            raise ConfigError(f"{name} is '{value}'. {suggest(value, VALUES[name])}")
        given[name] = value
    return given, rest


def _folder(given: dict[str, str]) -> Path | None:
    """Find the folder of --config-dir."""
    if "--config-dir" not in given:
        return None
    folder = Path(given["--config-dir"]).expanduser().absolute()
    if not folder.is_dir():
        raise MissingError(f"--config-dir {given['--config-dir']}: there is no such folder ({folder})")
    return folder


def experiments(folder: Path | None) -> list[str]:
    """List the experiments of this folder, and of one of configurations."""
    places = [place / EXPERIMENTS for place in (HERE, folder) if place]
    found = {path.relative_to(place) for place in places for path in place.rglob("[!_.]*.yaml")}
    return sorted(path.with_suffix("").as_posix() for path in found)
