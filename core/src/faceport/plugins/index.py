"""Installed plugins: their options are found as files, their code is loaded only when a run picks it."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import yaml

from faceport.errors import ConfigError, PluginError, suggest

GROUP = "faceport"
KINDS = ("model", "target", "dataset", "metric")
RESERVED = ("card", "defaults")  # keys of a YAML that are no options


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
        own = read_yaml(self.path)
        merged: dict[str, Any] = {}
        for base in own.get("defaults", []):
            if isinstance(base, str) and base != "_self_":
                merged |= read_yaml(self.path.with_name(f"{base}.yaml"))
        return merged | own

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
        return {key: value for key, value in self.content.items() if key not in RESERVED}


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

    def choices(self, kind: str) -> dict[str, Choice]:
        """List what can be chosen for a kind, by name; broken plugins and clashing names left out."""
        return {
            choice.name: choice
            for plugin in self.plugins
            if not plugin.faults
            for choice in plugin.choices
            if choice.kind == kind and (kind, choice.name) not in self.clashes
        }

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
    plugins = [_inspect(point) for point in points]
    by_name: dict[str, list[Plugin]] = defaultdict(list)
    for plugin in plugins:
        by_name[plugin.name].append(plugin)
    plugins = [
        dataclasses.replace(plugin, faults=(*plugin.faults, _twins(by_name[plugin.name])))
        if len(by_name[plugin.name]) > 1
        else plugin
        for plugin in plugins
    ]
    owners: dict[tuple[str, str], list[Plugin]] = defaultdict(list)
    for plugin in plugins:
        for choice in plugin.choices:
            owners[choice.kind, choice.name].append(plugin)
    clashes = {key: tuple(found) for key, found in owners.items() if len(found) > 1}
    return Index(tuple(plugins), clashes)


def _twins(plugins: list[Plugin]) -> str:
    names = " and ".join(f"{plugin.distribution} {plugin.version}" for plugin in plugins)
    return f"two distributions call their plugin '{plugins[0].name}': {names}. Uninstall one of them"


def _inspect(point: EntryPoint) -> Plugin:
    """Look at an entry point's files without importing it."""
    dist = point.dist
    module = point.value.partition(":")[0].strip()
    found = Plugin(point.name, dist.name if dist else "unknown", dist.version if dist else "?", module)
    folder = _package_folder(module)
    if folder is None:
        cure = f"reinstall or uninstall {found.distribution}"
        fault = f"its entry point leads to nothing: no module '{module}'; {cure}"
        return dataclasses.replace(found, faults=(fault,))
    choices, faults = [], []
    for kind in KINDS:
        for path in sorted((folder / "conf" / kind).glob("[!_.]*.yaml")):
            choice = Choice(kind, path.stem, path, point.name)
            choices.append(choice)
            try:
                _ = choice.content
            except ConfigError as error:
                faults.append(str(error))
    return dataclasses.replace(found, folder=folder, choices=tuple(choices), faults=tuple(faults))


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


def every_choice() -> Iterator[Choice]:
    """Go through everything that can be chosen, kind by kind."""
    for kind in KINDS:
        yield from installed().choices(kind).values()
