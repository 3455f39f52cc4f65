"""What a type hint allows: whether a value has its type, which values a Literal lists."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


def fits(hint: Any, value: Any) -> bool:
    """Tell whether a value has its type already; most have, and need no conversion."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if origin in (Union, UnionType):
        return any(fits(one, value) for one in inner)
    if origin is list:
        return type(value) is list and all(fits(inner[0], item) for item in value)
    if hint == dict[str, Any]:
        return type(value) is dict and all(type(key) is str for key in value)
    return hint is Any or (hint in (str, int, float, bool, NoneType) and type(value) is hint)


def literals(hint: Any) -> tuple[Any, ...]:
    """List the values that a Literal, alone or with None, allows; empty for any other type."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        inner = [part for part in get_args(hint) if part is not NoneType]
        if len(inner) == 1 and get_origin(inner[0]) is Literal and NoneType in get_args(hint):
            return (*get_args(inner[0]), None)
    return ()
