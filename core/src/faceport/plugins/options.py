"""Typed options: a dataclass is the schema, OmegaConf converts and checks, Literal lists the choices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from faceport.bounds import within_bounds
from faceport.errors import ConfigError
from faceport.hints import fits, literals

T = TypeVar("T")
UNSET = "???"  # OmegaConf's word for a value that somebody must give


class UnsetOptionError(ConfigError):
    """An option without a default that nobody gave."""


def checked(schema: type[T], values: Mapping[str, Any]) -> T:
    """Make an instance of a dataclass from plain values, converting what converts and refusing the rest."""
    return within_bounds(_made(schema, values))


def _made(schema: type[T], values: Mapping[str, Any]) -> T:
    unset = [key for key, value in values.items() if isinstance(value, str) and value == UNSET]
    if unset:
        raise UnsetOptionError(f"option '{unset[0]}' must be given.")
    hints = get_type_hints(schema)
    inner = {key: hint for key, hint in hints.items() if dataclasses.is_dataclass(hint)}
    nested = {key: checked(inner[key], values[key]) for key in inner if isinstance(values.get(key), dict)}  # type: ignore[arg-type]
    if all(key in nested or (key in hints and fits(hints[key], value)) for key, value in values.items()):
        try:
            return schema(**{**values, **nested})
        except TypeError:  # an option without a default that nobody gave
            pass
        except ValueError as error:  # a check of the dataclass itself
            raise ConfigError(f"{error}.") from error
    return _converted(schema, hints, values)


def _converted(schema: type[T], hints: Mapping[str, Any], values: Mapping[str, Any]) -> T:
    """Convert what converts, by OmegaConf."""
    from omegaconf import OmegaConf  # late: `faceport list` need not wait for it
    from omegaconf.errors import OmegaConfBaseException

    fields = []
    for item in dataclasses.fields(schema):  # type: ignore[arg-type]
        hint, choices = hints[item.name], literals(hints[item.name])
        value = values.get(item.name)
        if choices and item.name in values and value not in choices:
            listed = ", ".join(map(_spelled, choices))
            raise ConfigError(f"option '{item.name}' is {value!r}, it must be one of: {listed}.")
        default = dataclasses.field(default=item.default, default_factory=item.default_factory)
        if dataclasses.is_dataclass(hint):
            hint, default = dict[str, Any], dataclasses.field(default_factory=dict)
        fields.append((item.name, Any if choices else hint, default))
    plain = dataclasses.make_dataclass(schema.__name__, fields)  # OmegaConf knows no Literal
    try:
        merged = OmegaConf.merge(OmegaConf.structured(plain), OmegaConf.create(dict(values)))
        missing = sorted(map(str, OmegaConf.missing_keys(merged)))
        if missing:
            raise UnsetOptionError(f"option '{missing[0]}' must be given.")
        content: Any = OmegaConf.to_container(merged, resolve=True)
        inner = {key: hint for key, hint in hints.items() if dataclasses.is_dataclass(hint)}
        nested = {key: checked(hint, content[key] or {}) for key, hint in inner.items()}  # type: ignore[arg-type]
        return schema(**{**content, **nested})
    except OmegaConfBaseException as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise ConfigError(f"option '{error.full_key or '?'}': {reason}.") from error
    except (TypeError, ValueError) as error:  # a check of the dataclass itself
        raise ConfigError(f"{error}.") from error


def _spelled(choice: Any) -> str:
    """Write a value as YAML has it."""
    return "null" if choice is None else str(choice).lower() if isinstance(choice, bool) else str(choice)
