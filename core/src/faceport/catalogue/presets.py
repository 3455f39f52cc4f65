"""Presets: a user's own values for what plugins bring, under names of his own, as files of his own.

conf/target/one_thread.yaml of the folder that he stands in, or of another folder of configurations:

    defaults: [onnxruntime]   # what it is based on: a plugin's name, or another preset
    threads: 1                # and what it sets

It is chosen by its name like a plugin's; what runs, and what a record says, is the plugin's name with these
values. Files below conf/KIND/ serve every group of the kind, those below conf/detector/ or
conf/calibration/dataset/ that group alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from faceport.errors import ConfigError, FaceportError, MissingError, suggest
from faceport.files import expand
from faceport.plugins.index import NOT_OPTIONS, Choice, installed, is_known, package_folder
from faceport.plugins.kinds import KIND, VERB, kind_of
from faceport.plugins.yamls import read_yaml

HERE = Path("conf")  # folder of configurations that is looked at unasked
SELF = "_self_"


@dataclass(frozen=True)
class Preset:
    """One file of a user's."""

    group: str  # for which it is chosen
    name: str
    path: Path
    others: Presets

    @cached_property
    def _content(self) -> dict[str, Any]:
        return read_yaml(self.path)

    @property
    def _entries(self) -> list[Any]:
        entries = self._content.get("defaults") or []
        return entries if isinstance(entries, list) else [entries]

    @cached_property
    def chain(self) -> tuple[Preset, ...]:
        """List the preset and those that it is based on, one after the other."""
        presets = [self]
        while (below := self.others.find(self.group, presets[-1].below)) is not None:
            if below in presets:
                raise ConfigError(f"{self.path} is based on itself, by way of {presets[-1].path}")
            presets.append(below)
        return tuple(presets)

    @property
    def below(self) -> str:
        """Name what it is based on itself: the one plain name of its defaults."""
        names = [one.rpartition("/")[2] for one in self._entries if isinstance(one, str) and one != SELF]
        if len(names) == 1:
            return names[0]
        kind = kind_of(self.group)
        wrong = f"is based on {' and '.join(names)}" if names else "does not say what it is based on"
        known = suggest("", installed().choices(kind))
        raise ConfigError(f"{self.path} {wrong}: write 'defaults: [NAME]' with one {kind}. {known}")

    @property
    def base(self) -> Choice:
        """Find what it is based on in the end: a plugin's."""
        try:
            return installed().find(kind_of(self.group), self.chain[-1].below)
        except FaceportError as error:
            raise ConfigError(f"{self.chain[-1].path}: {error}") from error

    @property
    def owned(self) -> str:
        """Give the name by which its plugin knows what is behind it."""
        base = self.base
        return base.name if installed().choices(base.kind).get(base.name) is base else base.full

    @property
    def values(self) -> dict[str, Any]:
        """Give what it sets itself, with those that it is based on."""
        merged: dict[str, Any] = {}
        for one in reversed(self.chain):
            own = {key: value for key, value in one._content.items() if key not in NOT_OPTIONS}
            merged = _over(merged, own)
        return merged

    @property
    def options(self) -> dict[str, Any]:
        """Give all options, those of the plugin where it sets nothing."""
        return _over(self.base.options, self.values)

    @property
    def choices(self) -> list[dict[str, str]]:
        """List what it chooses in other groups, as its plugin's files do."""
        own = (entry for one in reversed(self.chain) for entry in one._entries if isinstance(entry, dict))
        return [*self.base.choices, *own]


@dataclass(frozen=True)
class Presets:
    """All presets of some folders of configurations; where two have one name, the first folder's counts."""

    folders: tuple[Path, ...] = (HERE,)

    def of(self, group: str) -> dict[str, Preset]:
        """List the presets for a group, by name; none of them is read."""
        return {
            path.stem: Preset(group, path.stem, path, self)
            for folder in reversed(self.folders)
            for place in dict.fromkeys((kind_of(group), group.replace(".", "/")))
            for path in sorted((folder / place).glob("[!_.]*.yaml"))
        }

    def find(self, group: str, name: str) -> Preset | None:
        """Look a name up among those of a group; a plugin's name stays the plugin's."""
        return None if installed().get(kind_of(group), name) else self.of(group).get(name)

    def check(self, group: str, name: str) -> None:
        """Refuse a name that is neither a plugin's nor a preset's, and a preset that cannot be used."""
        index, kind, mine = installed(), kind_of(group), self.of(group)
        if name in mine:
            if index.get(kind, name):
                raise ConfigError(
                    f"{mine[name].path} has the name of a {kind} of a plugin's, and nobody could tell which "
                    "is meant: rename the file"
                )
            _refuse_strange(mine[name])
        elif mine and not is_known(kind, name):
            raise ConfigError(
                f"could not find {kind} '{name}'. {suggest(name, {*index.choices(kind), *mine})}"
            )
        else:
            index.find(kind, name)

    def __iter__(self) -> Iterator[Preset]:
        """Give all presets of kinds, by kind and name."""
        for kind in kinds_with_presets():
            yield from self.of(kind).values()


def kinds_with_presets() -> list[str]:
    """Name the kinds that are chosen among, so that values for them are of use."""
    return [kind.name for kind in installed().kinds.values() if kind not in (VERB, KIND)]


def _refuse_strange(preset: Preset) -> None:
    """Refuse options that the plugin's file does not have: with the file that has them."""
    known = preset.base.options
    for one in preset.chain:
        for key in one._content:
            if key not in known and key not in NOT_OPTIONS:
                raise ConfigError(
                    f"{one.path}: {preset.base.kind} '{preset.base.name}' has no option '{key}'. "
                    f"{suggest(str(key), known)}"
                )


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others, section by section."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _over(old, value) if both else value  # type: ignore[arg-type]
    return merged


def places(folder: Path | None, searched: Iterable[str]) -> tuple[Path, ...]:
    """List the folders of configurations: of this folder, of --config-dir, of hydra.searchpath."""
    folders = [HERE, *([folder] if folder else []), *map(_place, searched)]
    return tuple(dict.fromkeys(folders))


def searched_in(value: str) -> list[str]:
    """Read the value of hydra.searchpath=[file://DIR,pkg://MODULE]."""
    parts = (
        part.strip().strip("'\"") for part in value.strip().removeprefix("[").removesuffix("]").split(",")
    )
    return [part for part in parts if part]


def _place(address: str) -> Path:
    scheme, slashes, rest = address.partition("://")
    if not slashes or scheme == "file":
        folder: Path | None = expand(rest or address)
    elif scheme == "pkg":
        folder = package_folder(rest.strip("/").replace("/", "."))
    else:
        raise ConfigError(f"hydra.searchpath has '{address}': write file://FOLDER or pkg://PACKAGE")
    if folder is None or not folder.is_dir():
        raise MissingError(f"hydra.searchpath has '{address}': there is no such folder")
    return folder
