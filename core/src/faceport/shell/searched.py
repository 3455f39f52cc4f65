"""Folders of a user's configurations as Hydra sees them: without presets, which faceport reads itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigSource

from faceport.catalogue.presets import kinds_with_presets
from faceport.plugins.kinds import ALIASES

SCHEME = "yours"


class Yours(FileConfigSource):
    """A folder of which Hydra reads experiments, and whatever else is no preset of a kind.

    A preset is given to Hydra as the options of plugins are (see `groups`): with its own package, for
    all groups of its kind.
    """

    def __init__(self, provider: str, path: str) -> None:
        ConfigSource.__init__(self, provider=provider, path=path)

    @staticmethod
    def scheme() -> str:
        """Tell which addresses are of this sort."""
        return SCHEME

    def is_group(self, config_path: str) -> bool:
        """Tell whether there is a folder."""
        return not _hidden(config_path) and bool(super().is_group(config_path))

    def is_config(self, config_path: str) -> bool:
        """Tell whether there is a file."""
        return not _hidden(config_path) and bool(super().is_config(config_path))

    def list(self, config_path: str, results_filter: Any) -> list[str]:
        """List files or folders."""
        return [] if _hidden(config_path) else [*super().list(config_path, results_filter)]


def _hidden(path: str) -> bool:
    first = path.strip("/").partition("/")[0]
    return first in (*kinds_with_presets(), *ALIASES, "calibration")


def searchpath(places: Iterable[Path]) -> str:
    """Write folders as the word that lets Hydra look into them."""
    plugins = Plugins.instance()
    if Yours not in plugins.discover(ConfigSource):
        plugins.register(Yours)
    folders = [place.absolute() for place in places if place.is_dir()]
    quoted = (str(place).replace("\\", "\\\\").replace("'", "\\'") for place in folders)
    return "hydra.searchpath=[" + ",".join(f"'{SCHEME}://{place}'" for place in quoted) + "]"
