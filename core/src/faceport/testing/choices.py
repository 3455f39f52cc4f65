"""What is installed, as parameters of tests, and small instances of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceport.data.pictures import write_picture
from faceport.errors import ConfigError
from faceport.plugins.index import Choice
from faceport.plugins.loading import create
from faceport.testing.drawn import draw_picture


def title(choice: Choice) -> str:
    """Name a choice as test ids do."""
    return f"{choice.kind}-{choice.name}"


def small_options(choice: Choice, folder: Path) -> dict[str, Any]:
    """Give the options of an instance that needs no download: those of the card, and random weights."""
    declared: Mapping[str, Any] = choice.card.get("conformance") or {}
    options = {key: _filled(value, folder) for key, value in declared.items()}
    if choice.kind == "model" and "weights" in choice.options:
        options.setdefault("weights", "random")
    return options


def small(choice: Choice, folder: Path) -> Any:
    """Make the instance that tests look at."""
    options = small_options(choice, folder)
    try:
        return create(choice.kind, choice.name, **options)
    except ConfigError as error:
        raise ConfigError(
            f"{error} The kit takes the YAML's options, and card.conformance: {options}"
        ) from error


def _filled(value: Any, folder: Path) -> Any:
    if not isinstance(value, str) or "{pictures}" not in value:
        return value
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for index in range(3):
        write_picture(pictures / f"{index}.jpg", draw_picture(48 + 8 * index, 64, seed=index))
    return value.replace("{pictures}", str(pictures))
