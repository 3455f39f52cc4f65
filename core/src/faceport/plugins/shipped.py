"""Names that faceport and its own plugins bring, whether they are installed or not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from faceport.plugins.yamls import read_yaml

TABLE = Path(__file__).with_name("shipped.yaml")


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, Mapping[str, str]]:
    """Read the table: kind -> name -> what to install, extras included."""
    return read_yaml(TABLE)


def requirement(kind: str, name: str) -> str:
    """Name what to install for a name; empty for a name of others."""
    return shipped().get(kind, {}).get(name, "")


def brings(distribution: str, kind: str, name: str) -> bool:
    """Tell whether a distribution is the one that a name belongs to."""
    return requirement(kind, name).partition("[")[0] == distribution


def is_shipped(distribution: str) -> bool:
    """Tell whether a distribution is faceport or one of its own plugins."""
    return any(
        one.partition("[")[0] == distribution for names in shipped().values() for one in names.values()
    )
