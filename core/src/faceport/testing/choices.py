"""What is installed, as parameters of tests, and small instances of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceport.data.pictures import write_picture
from faceport.errors import ConfigError
from faceport.plugins.index import Choice, installed
from faceport.plugins.loading import create
from faceport.testing.drawn import draw_picture

FOLDER = "{folder}"  # in a card: a folder that may be written to
SAMPLE = "{sample}"  # in a card: where the copy of the plugin's sample lies


def title(choice: Choice) -> str:
    """Name a choice as test ids do."""
    return f"{choice.kind}-{choice.name}"


def own_choices(kind: str) -> list[Choice]:
    """List what bears its name alone; that two plugins offer one name is a fault of its own."""
    return [choice for name, choice in installed().choices(kind).items() if name == choice.name]


def small_options(choice: Choice, folder: Path) -> dict[str, Any]:
    """Give the options of an instance that needs no download: those of the card, and random weights."""
    declared: Mapping[str, Any] = choice.card.get("conformance") or {}
    options = {key: filled(value, choice, folder) for key, value in declared.items()}
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


def sample_of(choice: Choice) -> Path | None:
    """Find the sample that a plugin brings: the folder `sample` beside its conf/, if its card uses it."""
    declared = choice.card.get("conformance") or {}
    used = any(isinstance(value, str) and SAMPLE in value for value in declared.values())
    folder = choice.path.parents[2] / "sample"
    if used and not folder.is_dir():
        raise ConfigError(
            f"{choice.path}: card.conformance speaks of {SAMPLE}, but there is no folder {folder}"
        )
    return folder if used else None


def filled(value: Any, choice: Choice, folder: Path) -> Any:
    """Make what a text speaks of, in a folder, and write where it is."""
    if isinstance(value, str) and SAMPLE in value:
        sample = sample_of(choice)
        assert sample is not None
        shutil.copytree(sample, folder / "sample", dirs_exist_ok=True)
        return value.replace(SAMPLE, str(folder / "sample"))
    if isinstance(value, str) and FOLDER in value:
        return value.replace(FOLDER, str(folder))
    if not isinstance(value, str) or "{pictures}" not in value:
        return value
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for index in range(3):
        write_picture(pictures / f"{index}.jpg", draw_picture(48 + 8 * index, 64, seed=index))
    return value.replace("{pictures}", str(pictures))
