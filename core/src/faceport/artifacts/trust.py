"""Which targets run code that somebody else brought: a bundle, or the options that a record says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faceport.plugins.index import installed

CARD = "loads_code"  # key of a target's card: true, or the options that make it so unless they stand as there


def loads_code(name: str, options: Mapping[str, Any]) -> bool:
    """Tell whether a target, configured so, runs native code of an artifact or programs that options name."""
    choice = installed().choices("target").get(name)
    mark = choice.card.get(CARD, False) if choice else False
    if not isinstance(mark, list):
        return bool(mark)
    known = choice.options if choice else {}
    return any(options[key] != known.get(key) for key in mark if key in options)
