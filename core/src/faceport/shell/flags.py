"""Words of a command line that begin with dashes: -m, one's own folder of configurations, what only shows.

Every flag of Hydra either works or is refused with what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceport.errors import ConfigError, MissingError, suggest
from faceport.files import expand
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


@dataclass(frozen=True)
class Flags:
    """What the flags of a command line say."""

    sweep: bool = False
    folder: Path | None = None  # of configurations, beside ./conf
    shown: tuple[str, ...] = ()  # flags with which Hydra only shows something, as it wants them

    def words(self) -> list[str]:
        """Write them for Hydra; where it looks is told by `compose`."""
        return [*(["--multirun"] if self.sweep else []), *self.shown]


def take_flags(offered: Offers, words: Iterable[str]) -> tuple[Flags, list[str]]:
    """Separate flags from all other words; what is no flag of Hydra is left among those."""
    flags, rest = _sort([*words])
    for name in flags:
        if name in REFUSED:
            raise ConfigError(f"{name} does not exist here: {REFUSED[name]}")
    if "--multirun" in flags and not offered.sweeps:
        able = " and ".join(name for name, choice in verbs().items() if choice.card.get("sweep"))
        raise ConfigError(
            f"`faceport {offered.verb}` takes one value of each option: only {able} can be swept"
        )
    commands = [name for name in (*COMMANDS, "--multirun") if name in flags]
    if len(commands) > 1:
        raise ConfigError(f"{' and '.join(commands)} exclude each other: leave all but one out")
    for name in ("--package", "--resolve"):
        if name in flags and "--cfg" not in flags:
            raise ConfigError(f"{name} belongs to --cfg job: it changes what that shows")
    shown = [name for name in flags if name in (*COMMANDS, "--package", "--resolve")]
    words_shown = (word for name in shown for word in (name, flags[name]) if word)
    return Flags("--multirun" in flags, _folder(flags), tuple(words_shown)), rest


def _sort(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Find Hydra's flags by their long names, with their values where they have one; give the rest too."""
    flags: dict[str, str] = {}
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
        flags[name] = value
    return flags, rest


def _folder(flags: dict[str, str]) -> Path | None:
    """Find the folder of --config-dir."""
    if "--config-dir" not in flags:
        return None
    folder = expand(flags["--config-dir"]).absolute()
    if not folder.is_dir():
        raise MissingError(f"--config-dir {flags['--config-dir']}: there is no such folder ({folder})")
    return folder


def experiments(places: Iterable[Path]) -> list[str]:
    """List the experiments of folders of configurations."""
    folders = [place / EXPERIMENTS for place in places]
    files = {path.relative_to(folder) for folder in folders for path in folder.rglob("[!_.]*.yaml")}
    return sorted(path.with_suffix("").as_posix() for path in files)
