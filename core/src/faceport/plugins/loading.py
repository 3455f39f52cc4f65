"""Plugins' code, loaded when a run picks it: hooks, classes, objects by name."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from faceport.errors import ConfigError, PluginError, explain_import, suggest
from faceport.plugins.index import Choice, Plugin, installed
from faceport.plugins.kinds import OWN, Kind


def load(plugin: Plugin) -> Any:
    """Import a plugin's module; its failure is a sentence that names it."""
    if plugin.faults:
        raise PluginError(f"plugin {plugin.title}: {'; '.join(plugin.faults)}")
    try:
        return importlib.import_module(plugin.module)
    except (Exception, SystemExit) as error:
        raise PluginError(f"plugin {plugin.title} cannot be loaded: {explain_import(error)}") from error


@lru_cache(maxsize=1)
def _manager() -> Any:
    """Make the manager that checks hooks, those of brought kinds too."""
    import pluggy

    from faceport import hooks

    manager = pluggy.PluginManager("faceport")
    manager.add_hookspecs(hooks)
    for kind in installed().kinds.values():
        if kind.name not in OWN:
            specification = staticmethod(hooks.hookspec(_brought(kind)))
            manager.add_hookspecs(type(kind.hook, (), {kind.hook: specification}))
    return manager


def _brought(kind: Kind) -> Any:
    """Write the specification of the hook of a kind that a plugin brings."""

    def answer() -> None: ...

    answer.__name__ = answer.__qualname__ = kind.hook
    answer.__doc__ = f"Answer with the classes of kind '{kind.name}' by the name of their YAML."
    return answer


def answers(plugin: Plugin, kind: Kind) -> dict[str, Any]:
    """Ask one plugin's hook for its classes, by name: classes, or words that lead to them."""
    from pluggy import PluginValidationError

    module, manager = load(plugin), _manager()
    try:
        if not manager.is_registered(module):
            manager.register(module, name=plugin.name)
            _check_hooks(manager, module, plugin)
        others = [other for other in manager.get_plugins() if other is not module]
        answered = manager.subset_hook_caller(kind.hook, remove_plugins=others)()
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, PluginValidationError) and manager.is_registered(module):
            manager.unregister(module)
        raise PluginError(
            f"the hook '{kind.hook}' of plugin {plugin.title} failed: {explain_import(error)}"
        ) from error
    by_name: dict[str, Any] = {}
    for answer in answered:
        if not isinstance(answer, Mapping):
            raise PluginError(
                f"the hook '{kind.hook}' of plugin {plugin.title} answers {answer!r}; it must answer with a "
                "mapping: the class behind each name"
            )
        by_name |= answer
    return by_name


def _check_hooks(manager: Any, module: Any, plugin: Plugin) -> None:
    """Refuse a hook implementation whose name no hook has: it would never be called."""
    hooks = [kind.hook for kind in installed().kinds.values()]
    unknown = [caller.name for caller in manager.get_hookcallers(module) or [] if caller.name not in hooks]
    if unknown:
        manager.unregister(module)
        raise PluginError(
            f"plugin {plugin.title} implements a hook that does not exist: '{unknown[0]}'. "
            f"{suggest(unknown[0], hooks)}"
        )


def classes(plugin: Plugin, kind: str) -> Mapping[str, type[Any]]:
    """Load all classes of a kind that one plugin brings, and check each."""
    table = installed().kind(kind)
    return {name: _checked(value, name, plugin, table) for name, value in answers(plugin, table).items()}


def find_class(kind: str, name: str) -> type[Any]:
    """Load the class behind a name."""
    choice, table = installed().find(kind, name), installed().kind(kind)
    plugin = installed().plugin(choice.plugin)
    by_name = answers(plugin, table)
    if choice.name not in by_name:
        raise PluginError(
            f"plugin {plugin.title} ships {choice.path.name} but its hook '{table.hook}' names no class "
            f"'{choice.name}': it answers {sorted(by_name) or 'nothing'}"
        )
    return _checked(by_name[choice.name], choice.name, plugin, table)


def _checked(value: Any, name: str, plugin: Plugin, kind: Kind) -> type[Any]:
    """Follow words that lead to a class, and hold the class against its kind."""
    cls = _imported(value, plugin, kind) if isinstance(value, str) else value
    if kind.name == "kind":
        if isinstance(cls, type):
            return cls
        raise PluginError(
            f"the hook 'kinds' of plugin {plugin.title} answers '{name}' with {cls!r}, which is no class"
        )
    base = base_class(kind)
    options = getattr(cls, "Options", None)
    if not (isinstance(cls, type) and issubclass(cls, base) and dataclasses.is_dataclass(options)):
        raise PluginError(
            f"the hook '{kind.hook}' of plugin {plugin.title} answers '{name}' with {cls!r}; it must be a "
            f"subclass of {base.__module__}.{base.__name__} whose Options is a dataclass"
        )
    return cls


def _imported(words: str, plugin: Plugin, kind: Kind) -> Any:
    module, _, name = words.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"the hook '{kind.hook}' of plugin {plugin.title} answers '{words}', which cannot be loaded: "
            f"{explain_import(error)}"
        ) from error


def base_class(kind: Kind) -> type[Any]:
    """Load the class that all things of a kind have as their base."""
    if kind.base:
        module, _, name = kind.base.partition(":")
        base: type[Any] = getattr(importlib.import_module(module), name)
        return base
    return find_class("kind", kind.name)


def create(kind: str, name: str, /, **values: Any) -> Any:
    """Make a model, target, dataset, metric ... by name; options not given keep the values of its YAML."""
    installed().kind(kind)
    cls = find_class(kind, name)
    choice = installed().find(kind, name)
    return cls(typed_options(cls, choice, choice.options | values))


def typed_options(cls: type[Any], choice: Choice, values: Mapping[str, Any]) -> Any:
    """Check values against the dataclass of options that the class declares."""
    from faceport.plugins.options import UnsetOptionError, checked  # OmegaConf: `--help` need not wait for it

    names = [item.name for item in dataclasses.fields(cls.Options)]
    for key in values:
        if key not in names:
            raise ConfigError(
                f"{choice.kind} '{choice.name}' has no option '{key}' ({choice.path}). {suggest(key, names)}"
            )
    try:
        return checked(cls.Options, values)
    except ConfigError as error:
        where = f"{choice.kind} '{choice.name}' ({choice.path})"
        hint = choice.card.get("get", "") if isinstance(error, UnsetOptionError) else ""
        raise ConfigError(f"{where}: {error} {hint}".rstrip()) from error
