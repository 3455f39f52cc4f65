"""YAML files of plugins: one loader, and sentences for what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from faceport.errors import ConfigError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the quick one, where PyYAML was built with it


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, or say which line is wrong."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
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


def dotted(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Give the values of nested mappings by dotted keys; an empty mapping is a value."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from dotted(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
