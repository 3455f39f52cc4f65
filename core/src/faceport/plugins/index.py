"""Installed plugins: their options are found as files, their code is loaded only when a run picks it."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import yaml

from faceport.errors import ConfigError, PluginError, suggest
from faceport.plugins.kinds import OWN, RESERVED, Kind

GROUP = "faceport"
NOT_OPTIONS = ("card", "defaults")  # keys of a YAML


@dataclass(frozen=True)
class Choice:
    """One YAML of one plugin: a name that can be chosen for a kind."""

    kind: str
    name: str
    path: Path
    plugin: str

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


@dataclass(frozen=True)
class Index:
    """Everything that is installed, found without importing any of it."""

    plugins: tuple[Plugin, ...] = ()
    clashes: Mapping[tuple[str, str], tuple[Plugin, ...]] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=lambda: dict(OWN))

    def choices(self, kind: str) -> dict[str, Choice]:
        """List what can be chosen for a kind, by name; broken plugins and clashing names left out."""
        return {
            choice.name: choice
            for plugin in self.plugins
            if not plugin.faults
            for choice in plugin.choices
            if choice.kind == kind and (kind, choice.name) not in self.clashes
        }

    def kind(self, name: str) -> Kind:
        """Find a kind by name, or say which there are."""
        if name not in self.kinds:
            raise ConfigError(f"there is no kind '{name}'. {suggest(name, self.kinds)}")
        return self.kinds[name]

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

    def find(self, kind: str, name: str) -> Choice:
        """Find one name of a kind, or say what there is and what is wrong with the one that was meant."""
        found = self.choices(kind).get(name)
        if found:
            return found
        if (kind, name) in self.clashes:
            rivals = " and ".join(plugin.title for plugin in self.clashes[kind, name])
            raise PluginError(f"two plugins offer {kind} '{name}': {rivals}. Uninstall one of them")
        for plugin in self.plugins:
            if any((choice.kind, choice.name) == (kind, name) for choice in plugin.choices):
                raise PluginError(
                    f"{kind} '{name}' comes from plugin {plugin.title}: {'; '.join(plugin.faults)}"
                )
        raise ConfigError(f"could not find {kind} '{name}'. {suggest(name, self.choices(kind))}")

    def plugin(self, name: str) -> Plugin:
        """Find a plugin by the name of its entry point."""
        return next(plugin for plugin in self.plugins if plugin.name == name)


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
            owners[choice.kind, choice.name].append(plugin)
    clashes = {key: tuple(rivals) for key, rivals in owners.items() if len(rivals) > 1}
    return Index(tuple(plugins), clashes, kinds)


def _kinds(plugins: Iterable[Plugin]) -> dict[str, Kind]:
    """Add the kinds that plugins bring to the core's own; of two with one name neither counts."""
    brought = [
        Kind(path.stem, f"{path.stem}s", plugin=plugin.name)
        for plugin in plugins
        for path in _files(plugin, "kind")
        if path.stem not in RESERVED
    ]
    names = Counter(kind.name for kind in brought)
    return {**OWN, **{kind.name: kind for kind in brought if names[kind.name] == 1}}


def _without_twins(plugins: list[Plugin]) -> list[Plugin]:
    """Find fault with plugins of one name: nobody could say which of them is meant."""
    by_name: dict[str, list[Plugin]] = defaultdict(list)
    for plugin in plugins:
        by_name[plugin.name].append(plugin)
    return [
        dataclasses.replace(plugin, faults=(*plugin.faults, _twins(by_name[plugin.name])))
        if len(by_name[plugin.name]) > 1
        else plugin
        for plugin in plugins
    ]


def _twins(plugins: list[Plugin]) -> str:
    names = " and ".join(f"{plugin.distribution} {plugin.version}" for plugin in plugins)
    return f"two distributions call their plugin '{plugins[0].name}': {names}. Uninstall one of them"


def _locate(point: EntryPoint) -> Plugin:
    """Find the files of an entry point without importing it."""
    dist = point.dist
    module = point.value.partition(":")[0].strip()
    plugin = Plugin(point.name, dist.name if dist else "unknown", dist.version if dist else "?", module)
    folder = _package_folder(module)
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
            if kind == "kind" and path.stem in RESERVED:
                faults.append(f"it brings a kind '{path.stem}' ({path}), which is a name of the core's own")
    return dataclasses.replace(plugin, choices=tuple(choices), faults=tuple(faults))


def _package_folder(module: str) -> Path | None:
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


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, or say which line is wrong."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        what = getattr(error, "problem", None) or error
        raise ConfigError(f"{where} is not valid YAML: {what}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold 'key: value' lines, not a {type(content).__name__}")
    return content
