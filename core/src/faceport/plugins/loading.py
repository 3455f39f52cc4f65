"""Plugins' code, loaded when a run picks it: hooks, classes, objects by name."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from faceport.errors import ConfigError, PluginError, explain_import, suggest
from faceport.plugins.index import KINDS, Choice, Plugin, installed


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
    import pluggy

    from faceport import hooks

    manager = pluggy.PluginManager("faceport")
    manager.add_hookspecs(hooks)
    return manager


def classes(plugin: Plugin, kind: str) -> Mapping[str, type[Any]]:
    """Ask one plugin's hook for its classes, and check the answer."""
    from pluggy import PluginValidationError

    from faceport import api, hooks

    module, manager = load(plugin), _manager()
    hook = hooks.HOOKS[kind]
    try:
        if not manager.is_registered(module):
            manager.register(module, name=plugin.name)
            _check_names(manager, module, plugin)
        others = [other for other in manager.get_plugins() if other is not module]
        answers = manager.subset_hook_caller(hook, remove_plugins=others)()
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, PluginValidationError) and manager.is_registered(module):
            manager.unregister(module)
        raise PluginError(
            f"the hook '{hook}' of plugin {plugin.title} failed: {explain_import(error)}"
        ) from error
    found: dict[str, type[Any]] = {}
    for answer in answers:
        if not isinstance(answer, Mapping):
            raise PluginError(
                f"the hook '{hook}' of plugin {plugin.title} answers {answer!r}; it must answer with a "
                "mapping: the class behind each name"
            )
        found |= answer
    base = getattr(api, kind.capitalize())
    for name, cls in found.items():
        if not (isinstance(cls, type) and issubclass(cls, base) and dataclasses.is_dataclass(cls.Options)):
            raise PluginError(
                f"the hook '{hook}' of plugin {plugin.title} answers '{name}' with {cls!r}; it must be a "
                f"subclass of faceport.api.{base.__name__} whose Options is a dataclass"
            )
    return found


def _check_names(manager: Any, module: Any, plugin: Plugin) -> None:
    """Refuse a hook implementation whose name no hook has: it would never be called."""
    from faceport.hooks import HOOKS

    callers = manager.get_hookcallers(module) or []
    unknown = [caller.name for caller in callers if caller.name not in HOOKS.values()]
    if unknown:
        manager.unregister(module)
        raise PluginError(
            f"plugin {plugin.title} implements a hook that does not exist: '{unknown[0]}'. "
            f"{suggest(unknown[0], HOOKS.values())}"
        )


def find_class(kind: str, name: str) -> type[Any]:
    """Load the class behind a name."""
    choice = installed().find(kind, name)
    plugin = installed().plugin(choice.plugin)
    found = classes(plugin, kind)
    if name not in found:
        raise PluginError(
            f"plugin {plugin.title} ships {choice.path.name} but its hook names no class '{name}': "
            f"it answers {sorted(found) or 'nothing'}"
        )
    return found[name]


def create(kind: str, name: str, /, **values: Any) -> Any:
    """Make a model, target, dataset or metric by name; options not given keep the values of its YAML."""
    if kind not in KINDS:
        raise ConfigError(f"there is no kind '{kind}'. {suggest(kind, KINDS)}")
    cls = find_class(kind, name)
    choice = installed().find(kind, name)
    return cls(typed_options(cls, choice, choice.options | values))


def typed_options(cls: type[Any], choice: Choice, values: Mapping[str, Any]) -> Any:
    """Check values against the dataclass of options that the class declares."""
    from faceport.plugins.options import (  # OmegaConf, for which `--help` need not wait
        UnsetOptionError,
        checked,
    )

    known = [item.name for item in dataclasses.fields(cls.Options)]
    for key in values:
        if key not in known:
            raise ConfigError(
                f"{choice.kind} '{choice.name}' has no option '{key}' ({choice.path}). {suggest(key, known)}"
            )
    try:
        return checked(cls.Options, values)
    except ConfigError as error:
        where = f"{choice.kind} '{choice.name}' ({choice.path})"
        hint = choice.card.get("get", "") if isinstance(error, UnsetOptionError) else ""
        raise ConfigError(f"{where}: {error} {hint}".rstrip()) from error
