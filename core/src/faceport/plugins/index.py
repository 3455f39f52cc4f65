"""Installed plugins: their options are found as files, their code is loaded only when a run picks it."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from faceport.errors import ConfigError, PluginError, suggest
from faceport.plugins.kinds import OWN, RESERVED, Kind
from faceport.plugins.shipped import brings, is_shipped, requirement
from faceport.plugins.yamls import read_yaml

GROUP = "faceport"
NOT_OPTIONS = ("card", "defaults")  # keys of a YAML


@dataclass(frozen=True)
class Choice:
    """One YAML of one plugin: a name that can be chosen for a kind."""

    kind: str
    name: str
    path: Path
    plugin: str

    @property
    def full(self) -> str:
        """Give the name that no other plugin can have: PLUGIN/NAME."""
        return f"{self.plugin}/{self.name}"

    @cached_property
    def content(self) -> Mapping[str, Any]:
        """Read the YAML, with the siblings that its defaults list names merged underneath."""
        merged: dict[str, Any] = {}
        for base in self.bases:
            merged |= read_yaml(base)
        return merged | self._own

    @cached_property
    def _own(self) -> dict[str, Any]:
        return read_yaml(self.path)

    @property
    def bases(self) -> list[Path]:
        """List the siblings that the defaults list names."""
        names = [entry for entry in self._own.get("defaults", []) if isinstance(entry, str)]
        return [self.path.with_name(f"{name}.yaml") for name in names if name != "_self_"]

    @property
    def choices(self) -> list[dict[str, str]]:
        """List what this name chooses in other groups, e.g. {"override /detector": "mtcnn"}."""
        return [entry for entry in self.content.get("defaults", []) if isinstance(entry, dict)]

    @property
    def card(self) -> Mapping[str, Any]:
        """Tell what the option is: summary, licence, numbers; no option in it."""
        return self.content.get("card") or {}

    @property
    def options(self) -> dict[str, Any]:
        """Give the options with their default values."""
        return {key: value for key, value in self.content.items() if key not in NOT_OPTIONS}


@dataclass(frozen=True)
class Plugin:
    """One entry point of one installed distribution."""

    name: str
    distribution: str
    version: str
    module: str
    folder: Path | None = None  # of its package
    choices: tuple[Choice, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name the plugin and the distribution to blame."""
        return f"'{self.name}' ({self.distribution} {self.version})"

    def word(self, kind: str, name: str) -> str:
        """Give what to type for one of its names where others offer that name, too."""
        return f"{'faceport ' if kind == 'verb' else f'{kind}='}{self.name}/{name}"


@dataclass(frozen=True)
class Index:
    """Everything that is installed, found without importing any of it."""

    plugins: tuple[Plugin, ...] = ()
    clashes: Mapping[tuple[str, str], tuple[Plugin, ...]] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=lambda: dict(OWN))

    def choices(self, kind: str) -> dict[str, Choice]:
        """List what can be chosen for a kind, by name; broken plugins are left out."""
        return {
            self._name(plugin, choice): choice
            for plugin in self.plugins
            if not plugin.faults
            for choice in plugin.choices
            if choice.kind == kind and (kind != "kind" or self._name(plugin, choice) == choice.name)
        }

    def _name(self, plugin: Plugin, choice: Choice) -> str:
        """Give the name by which something is chosen: a longer one where others offer the short one, too."""
        rivals = self.clashes.get((choice.kind, choice.name), ())
        return choice.name if not rivals or plugin is owner(rivals, choice.kind, choice.name) else choice.full

    def kind(self, name: str) -> Kind:
        """Find a kind by name, or say which there are."""
        if name in self.kinds:
            return self.kinds[name]
        if ("kind", name) in self.clashes:
            raise PluginError(self.clash("kind", name))
        raise ConfigError(f"there is no kind '{name}'. {suggest(name, self.kinds)}")

    def clash(self, kind: str, name: str) -> str:
        """Say who offers one name, which of them is taken, and how to take another."""
        rivals = self.clashes[kind, name]
        first, titles = owner(rivals, kind, name), " and ".join(plugin.title for plugin in rivals)
        words = " or ".join(plugin.word(kind, name) for plugin in rivals if plugin is not first)
        ownership = f"; the name belongs to {first.distribution}" if first else ""
        ways = "" if kind == "kind" else f", or say which you mean: {words}"
        return f"two plugins offer {kind} '{name}': {titles}{ownership}. Uninstall one of them{ways}"

    def shown_kinds(self) -> list[str]:
        """Name the kinds to show: `kind` itself only where a plugin brings one."""
        return [name for name in self.kinds if name != "kind" or self.choices(name)]

    def detectors(self) -> dict[str, Choice]:
        """List the models that find faces by themselves."""
        return {
            name: choice
            for name, choice in self.choices("model").items()
            if "boxes" in choice.card.get("provides", ()) and not choice.card.get("needs")
        }

    def get(self, kind: str, name: str) -> Choice | None:
        """Look one name of a kind up, as NAME or as PLUGIN/NAME."""
        choices = self.choices(kind)
        return choices.get(name) or next((one for one in choices.values() if one.full == name), None)

    def find(self, kind: str, name: str) -> Choice:
        """Find one name of a kind, or say what there is and what is wrong with the one that was meant."""
        found = self.get(kind, name)
        if found:
            return found
        if kind not in self.kinds:
            self.kind(kind)  # says what is wrong with it
        for plugin in self.plugins:
            if plugin.faults and any(
                choice.kind == kind and name in (choice.name, choice.full) for choice in plugin.choices
            ):
                raise PluginError(
                    f"{kind} '{name}' comes from plugin {plugin.title}: {'; '.join(plugin.faults)}"
                )
        if (kind, name) in self.clashes:
            raise PluginError(self.clash(kind, name))
        if requirement(kind, name):
            raise ConfigError(f"{kind} '{name}' is not installed: pip install '{requirement(kind, name)}'")
        raise ConfigError(f"could not find {kind} '{name}'. {suggest(name, self.choices(kind))}")

    def plugin(self, name: str) -> Plugin:
        """Find a plugin by the name of its entry point."""
        return min((one for one in self.plugins if one.name == name), key=lambda one: len(one.faults))


def owner(rivals: Iterable[Plugin], kind: str, name: str) -> Plugin | None:
    """Find the plugin that a name belongs to, of those that offer it: the shipped one."""
    return next((plugin for plugin in rivals if brings(plugin.distribution, kind, name)), None)


def is_known(kind: str, name: str) -> bool:
    """Tell whether a name is offered by any plugin, broken ones too, or could be installed."""
    offered = (choice for plugin in installed().plugins for choice in plugin.choices if choice.kind == kind)
    return bool(requirement(kind, name)) or any(name in (choice.name, choice.full) for choice in offered)


@lru_cache(maxsize=1)
def installed() -> Index:
    """Read the index of installed plugins, once per process."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    plugins = [_locate(point) for point in points]
    kinds = _kinds(plugins)
    plugins = _without_twins([_inspect(plugin, kinds) for plugin in plugins])
    owners: dict[tuple[str, str], list[Plugin]] = defaultdict(list)
    for plugin in plugins:
        for choice in plugin.choices:
            if not plugin.faults or brings(plugin.distribution, choice.kind, choice.name):
                owners[choice.kind, choice.name].append(plugin)
    clashes = {key: tuple(rivals) for key, rivals in owners.items() if len(rivals) > 1}
    return Index(tuple(plugins), clashes, kinds)


def _kinds(plugins: Iterable[Plugin]) -> dict[str, Kind]:
    """Add the kinds that plugins bring to the core's own; of two with one name, the shipped one or none."""
    brought: dict[str, list[Plugin]] = defaultdict(list)
    for plugin in plugins:
        for path in _files(plugin, "kind"):
            if not _unfit(path.stem):
                brought[path.stem].append(plugin)
    kinds = dict(OWN)
    for name, rivals in brought.items():
        taken = rivals[0] if len(rivals) == 1 else owner(rivals, "kind", name)
        if taken:
            kinds[name] = Kind(name, f"{name}s", plugin=taken.name)
    return kinds


def _unfit(kind: str) -> str:
    """Say why no kind can have a name; empty for a fitting one."""
    if kind in RESERVED:
        return "which is a name of the core's own"
    return "" if kind.isidentifier() else "but a hook must be able to have this name: letters, digits and _"


def _without_twins(plugins: list[Plugin]) -> list[Plugin]:
    """Find fault with plugins of one name, except with a shipped one: nobody could say which is meant."""
    by_name: dict[str, list[Plugin]] = defaultdict(list)
    for plugin in plugins:
        by_name[plugin.name].append(plugin)
    return [
        dataclasses.replace(plugin, faults=(*plugin.faults, _twins(by_name[plugin.name])))
        if len(by_name[plugin.name]) > 1 and not is_shipped(plugin.distribution)
        else plugin
        for plugin in plugins
    ]


def _twins(plugins: list[Plugin]) -> str:
    names = " and ".join(f"{plugin.distribution} {plugin.version}" for plugin in plugins)
    own = [plugin.distribution for plugin in plugins if is_shipped(plugin.distribution)]
    which = f"; the name belongs to {own[0]}" if own else ""
    return f"two distributions call their plugin '{plugins[0].name}': {names}{which}. Uninstall one of them"


def _locate(point: EntryPoint) -> Plugin:
    """Find the files of an entry point without importing it."""
    about = point.dist.metadata if point.dist else {"Name": "unknown", "Version": "?"}  # parsed here, once
    module = point.value.partition(":")[0].strip()
    plugin = Plugin(point.name, about["Name"], about["Version"], module)
    folder = package_folder(module)
    if folder is None:
        cure = f"reinstall or uninstall {plugin.distribution}"
        fault = f"its entry point leads to nothing: no module '{module}'; {cure}"
        return dataclasses.replace(plugin, faults=(fault,))
    return dataclasses.replace(plugin, folder=folder)


def _files(plugin: Plugin, kind: str) -> list[Path]:
    """List the YAML files of one kind; names that begin with _ are for others to build on."""
    return sorted((plugin.folder / "conf" / kind).glob("[!_.]*.yaml")) if plugin.folder else []


def _inspect(plugin: Plugin, kinds: Mapping[str, Kind]) -> Plugin:
    """Read what a plugin offers for each kind."""
    choices, faults = [], [*plugin.faults]
    for kind in kinds:
        for path in _files(plugin, kind):
            choice = Choice(kind, path.stem, path, plugin.name)
            choices.append(choice)
            try:
                _ = choice.content
            except ConfigError as error:
                faults.append(str(error))
            if kind == "kind" and _unfit(path.stem):
                faults.append(f"it brings a kind '{path.stem}' ({path}), {_unfit(path.stem)}")
    return dataclasses.replace(plugin, choices=tuple(choices), faults=tuple(faults))


def package_folder(module: str) -> Path | None:
    """Find the folder of a package; only its top name may be looked up, deeper ones would import it."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is None:  # a single-file module: its conf/ lies beside it
        return Path(spec.origin).parent if spec.origin and not rest else None
    for location in spec.submodule_search_locations:
        folder = Path(location, *rest)
        if folder.is_dir():
            return folder
        if folder.with_suffix(".py").is_file():
            return folder.parent
    return None
